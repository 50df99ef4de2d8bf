"""A stand-in NetSuite account: token-based and OAuth 2.0 sign-in, journals, customers, SuiteQL, concurrency limit.

POST /netsuite/_control/seed makes or changes, each by its key, what is given; all parts are optional:

    {"account": "1234567_SB1",            realm that token-based requests must carry; without it any
     "concurrency_limit": 15,             requests at a time, more get 429
     "tokens": [{"token_id", "token_secret", "consumer_key", "consumer_secret"}],
     "certificates": [{"certificate_id", "client_id", "public_key": PEM of the key or the certificate}],
     "currencies": [{"symbol": "EUR", "name", "decimals": 2, "exchange_rate": 1.08, "base": false}],
     "subsidiaries": [{"key": "DE", "name", "currency": "EUR", "parent": "US", "country",
                       "currencies": ["EUR", "USD"]}],            none: every currency
     "accounts": [{"number": "4000", "name", "type": "Income", "inactive": false, "subsidiaries": ["US"]}],
     "departments" | "classes" | "locations": [{"key": "CC-410", "name", "inactive", "subsidiaries"}],
     "periods": {"first": "2025-01", "last": "2026-12", "closed_through": "2025-09"}
             or [{"month": "2026-03", "name": "Mar 2026", "closed", "all_locked", "locked_subsidiaries": ["DE"]}],
     "items": [{"key": "SKU-1", "name", "inactive"}],
     "customers": [{"key": "ACME", "name", "subsidiary": "US", "currency": "USD", "parent": "ACME-TOP"}]}

Keys become external ids (accounts: the number, periods: the name), so
PATCH /netsuite/_control/records/department/CC-410 {"isInactive": true} and
PATCH /netsuite/_control/records/accountingPeriod/Mar%202026 {"closed": true}
do what a person does on the pages of the ERP. POST /netsuite/_control/quirk {"name": "moves_date", "times": 1} lets it
take the next journal with another date, "drops_department" without its departments, and say nothing. POST
/netsuite/_control/document {"key": "JE1001"} answers with a journal as such a person would open it.
"""

from __future__ import annotations

import threading

from q2c.connectors.netsuite.sandbox import auth, documents, journals, records, seeding, suiteql, tables, words
from q2c.connectors.sandbox_kit import Answer, Request, Sandbox, Store
from q2c.connectors.sandbox_kit.app import Handler
from q2c.connectors.sandbox_kit.store import opened

# Requests at a time of an account of the first service tier.
CONCURRENCY = 15


class NetSuiteSandbox(Sandbox):
    """Counts the requests that are running."""

    def __init__(self) -> None:
        super().__init__("netsuite", "Oracle NetSuite")
        self._lock = threading.Lock()
        self._running = 0

    def start(self) -> None:
        super().start()
        tables.prepare()

    def answer(self, request: Request) -> Answer:
        with self._lock:
            self._running += 1
            running = self._running
        try:
            if running > self._limit():
                return words.answer("concurrency")
            return super().answer(request)
        finally:
            with self._lock:
                self._running -= 1

    def _limit(self) -> int:
        with opened(self.schema) as store:
            return int(store.setting("concurrency_limit", CONCURRENCY))


sandbox = NetSuiteSandbox()
sandbox.seed = seeding.seed  # type: ignore[assignment]
sandbox.before = auth.admit
sandbox.on_control = {"quirk": journals.quirk, "document": documents.opened}
sandbox.editable = {
    "accountingPeriod": ("closed", "allLocked", "lockedSubsidiaries"),
    "department": ("isInactive",),
    "classification": ("isInactive",),
    "location": ("isInactive",),
    "account": ("isInactive",),
    "item": ("isInactive",),
    "customer": ("isInactive",),
}
sandbox.token_expired = lambda fault: words.answer("login")
sandbox.unavailable = lambda fault: words.answer("unavailable")
sandbox.business_failure = lambda fault, request: words.answer("script")


def _too_many(fault: object) -> Answer:
    found = words.answer("concurrency")
    # The vendor promises none; a switch that is given a value sends it.
    if value := getattr(fault, "value", 0):
        found.headers["Retry-After"] = f"{value:g}"
    return found


def _not_found(request: Request) -> Answer:
    known = any(route.pattern.match(request.path) for route in sandbox.routes)
    return words.answer("no_method" if known else "no_path")


sandbox.too_many = _too_many
sandbox.not_found = _not_found


def _of(kind: str, handler: Handler) -> Handler:
    """A record's own address, so that its faults can be switched apart from others'."""

    def run(request: Request, store: Store) -> Answer:
        request.vars["kind"] = kind
        return handler(request, store)

    return run


for _method, _path, _operation, _handler in (
    ("POST", auth.TOKEN_PATH, "token", auth.token),
    ("POST", suiteql.PATH, "suiteql", suiteql.run),
    ("POST", f"{records.PATH}/journalEntry", "create_journal", _of("journalEntry", records.create)),
    ("PUT", f"{records.PATH}/journalEntry/{{id}}", "upsert_journal", _of("journalEntry", records.upsert)),
    ("POST", f"{records.PATH}/customer", "create_customer", _of("customer", records.create)),
    ("PUT", f"{records.PATH}/customer/{{id}}", "upsert_customer", _of("customer", records.upsert)),
    ("POST", f"{records.PATH}/{{kind}}", "create", records.create),
    ("GET", f"{records.PATH}/{{kind}}", "list", records.listed),
    ("GET", f"{records.PATH}/{{kind}}/{{id}}", "read", records.read),
    ("PUT", f"{records.PATH}/{{kind}}/{{id}}", "upsert", records.upsert),
    ("PATCH", f"{records.PATH}/{{kind}}/{{id}}", "update", records.update),
    ("DELETE", f"{records.PATH}/{{kind}}/{{id}}", "delete", records.delete),
):
    sandbox.route(_method, _path, _operation)(_handler)
