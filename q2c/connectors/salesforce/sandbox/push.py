"""When a deal is won the org posts {"opportunityId": …} to a web address, signed as Standard Webhooks."""

from __future__ import annotations

import datetime as dt
import threading
import time
from typing import Any

from standardwebhooks import Webhook

from q2c import keys
from q2c.connectors.http import Http, TransportError, json_body, machine_time_s
from q2c.connectors.ports import ConnectionConfig
from q2c.connectors.sandbox_kit import Store
from q2c.connectors.sandbox_kit.store import opened

SCHEMA = "sandbox_salesforce"
TRIES_MAX = 3
_COMMIT_WAIT_S = 5.0


def enqueue_won(store: Store, ids: list[str]) -> None:
    """Each push is a record until it is delivered; a thread of its own sends it once this transaction is over."""
    target = store.setting("webhook")
    if not target or not target.get("url"):
        return
    for key in ids:
        message = f"msg_{keys.new_id().hex}"
        store.add("push", message, {"opportunityId": key, "tries": 0, "status": 0})
        threading.Thread(target=_deliver, args=(message, dict(target)), daemon=True, name="salesforce-push").start()


def _deliver(message: str, target: dict[str, Any]) -> None:
    body = _committed(message)
    if body is None:
        return
    content = json_body({"type": "opportunity.won", "data": {"opportunityId": body["opportunityId"]}})
    for attempt in range(1, TRIES_MAX + 1):
        status = _post(message, content, target)
        with opened(SCHEMA) as store:
            record = store.get("push", message, hidden=True)
            if record is not None:
                record.body.update(tries=attempt, status=status)
                store.put(record)
        if 200 <= status < 300:
            return
        time.sleep(attempt)


def _committed(message: str) -> dict[str, Any] | None:
    """The push, once the transaction that made it is over; None when that was rolled back."""
    deadline = time.monotonic() + _COMMIT_WAIT_S
    while time.monotonic() < deadline:
        with opened(SCHEMA) as store:
            found = store.get("push", message, hidden=True)
        if found is not None:
            return found.body
        time.sleep(0.05)
    return None


def _post(message: str, content: bytes, target: dict[str, Any]) -> int:
    moment = dt.datetime.fromtimestamp(machine_time_s(), tz=dt.UTC)
    headers = {
        "Content-Type": "application/json",
        "webhook-id": message,
        "webhook-timestamp": str(int(moment.timestamp())),
        "webhook-signature": Webhook(target["secret"]).sign(message, moment, content.decode()),
    }
    config = ConnectionConfig(name="salesforce-push", vendor="salesforce", base_url=target["url"], time_limit_s=10)
    try:
        return Http(config).send("POST", "", headers=headers, body=content).status
    except TransportError:
        return 0
