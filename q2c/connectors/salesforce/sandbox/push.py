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


def enqueue_won(store: Store, ids: list[str]) -> None:
    """Each push is a record until it is delivered; a thread of its own sends it once this transaction is over."""
    target = store.setting("webhook")
    if not target or not target.get("url"):
        return
    for key in ids:
        message = f"msg_{keys.new_id().hex}"
        store.add("push", message, {"opportunityId": key, "tries": 0, "status": 0})
        sender = threading.Thread(
            target=_deliver, args=(message, key, dict(target)), daemon=True, name="salesforce-push"
        )
        store.afterwards.append(sender.start)


def _deliver(message: str, opportunity: str, target: dict[str, Any]) -> None:
    content = json_body({"type": "opportunity.won", "data": {"opportunityId": opportunity}})
    for attempt in range(1, TRIES_MAX + 1):
        status = _post(message, content, target)
        with opened(SCHEMA) as store:
            record = store.get("push", message, hidden=True)
            if record is not None:
                record.body.update(tries=attempt, status=status)
                store.put(record)
        if 200 <= status < 300 or record is None or attempt == TRIES_MAX:
            return
        time.sleep(attempt)


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
