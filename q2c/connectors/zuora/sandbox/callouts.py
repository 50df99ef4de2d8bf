"""When an invoice is posted the tenant calls a web address: non-preemptive Basic, HMAC where one is configured.

Setting `callout`: {"url", "username", "password", "preemptive", "hmac_secret", "hmac_header", "hmac_algorithm",
"hmac_encoding", "tries", "retry_s"}. A notification keeps its id over its tries.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import Any

from q2c import keys
from q2c.connectors.http import Answer, Http, TransportError, json_body
from q2c.connectors.ports import ConnectionConfig
from q2c.connectors.sandbox_kit import Record, Store
from q2c.connectors.sandbox_kit.store import opened
from q2c.connectors.zuora.sandbox.answers import iso

SCHEMA = "sandbox_zuora"
TRIES_MAX = 3
RETRY_S = 2.0
_lock = threading.Lock()
_pool: ThreadPoolExecutor | None = None


def announce(store: Store, invoices: list[Record]) -> int:
    """One callout per posted invoice: a record until delivered, sent once this transaction is over."""
    target = store.setting("callout")
    if not target or not target.get("url"):
        return 0
    for invoice in invoices:
        body = {
            "EventType": "InvoicePosted", "InvoiceNumber": invoice.number, "InvoiceId": invoice.id,
            "AccountNumber": invoice.body["accountNumber"], "EventTimestamp": iso(store.now()),
        }  # fmt: skip
        record = store.add("callout", str(keys.new_id()), {"body": body, "tries": 0, "status": 0})
        store.afterwards.append(partial(_workers().submit, deliver, record.id, body, dict(target)))
    return len(invoices)


def _workers() -> ThreadPoolExecutor:
    global _pool
    with _lock:
        if _pool is None:
            _pool = ThreadPoolExecutor(max_workers=4, thread_name_prefix="zuora-callout")
        return _pool


def deliver(notification: str, body: dict[str, Any], target: dict[str, Any]) -> None:
    """Try a notification until it is answered 200, as often as the tenant tries; after a reset no more."""
    content, tries = json_body(body), int(target.get("tries") or TRIES_MAX)
    for attempt in range(1, tries + 1):
        status = _call(notification, content, target)
        with opened(SCHEMA) as store:
            held = store.get("callout", notification, hidden=True)
            if held is not None:
                held.body.update(tries=attempt, status=status)
                store.put(held)
        if status == 200 or held is None or attempt == tries:
            return
        time.sleep(float(target.get("retry_s") or RETRY_S))


def _call(notification: str, content: bytes, target: dict[str, Any]) -> int:
    """The status of one try. Without `preemptive` the credentials are sent only when they are asked for."""
    headers = {
        "Content-Type": "application/json",
        "Zuora-Notification-Id": notification,
        "Zuora-Request-Id": str(keys.new_id()),
        **signature(content, target),
    }
    basic = {}
    if target.get("username"):
        pair = f"{target['username']}:{target.get('password', '')}".encode()
        basic = {"Authorization": f"Basic {base64.b64encode(pair).decode()}"}
    config = ConnectionConfig(name="zuora-callout", vendor="zuora", base_url=target["url"], time_limit_s=10)
    try:
        answer = _post(config, content, {**headers, **(basic if target.get("preemptive") else {})})
        challenged = answer.status == 401 and "basic" in answer.headers.get("WWW-Authenticate", "").lower()
        if challenged and basic and not target.get("preemptive"):
            answer = _post(config, content, {**headers, **basic})
    except TransportError:
        return 0
    return answer.status


def _post(config: ConnectionConfig, content: bytes, headers: dict[str, str]) -> Answer:
    return Http(config).send("POST", "", headers=headers, body=content)


def signature(content: bytes, target: dict[str, Any]) -> dict[str, str]:
    """The header of an HMAC over the body, as a callout template would be set up."""
    if not target.get("hmac_secret"):
        return {}
    algorithm = str(target.get("hmac_algorithm") or "sha256")
    digest = hmac.new(str(target["hmac_secret"]).encode(), content, getattr(hashlib, algorithm)).digest()
    text = base64.b64encode(digest).decode() if target.get("hmac_encoding", "base64") == "base64" else digest.hex()
    return {str(target.get("hmac_header") or "X-Zuora-Signature"): text}
