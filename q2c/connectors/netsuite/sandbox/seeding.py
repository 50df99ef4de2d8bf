"""POST /netsuite/_control/seed: an account's setup. The format stands in the package's docstring."""

from __future__ import annotations

import calendar
import datetime as dt
from collections.abc import Callable
from typing import Any

from q2c.connectors.sandbox_kit import Store
from q2c.connectors.sandbox_kit.store import Record

SETTINGS = ("account", "concurrency_limit", "token_s")


def seed(store: Store, document: dict[str, Any]) -> dict[str, Any]:
    """Makes or changes what is named, each by its key; answers with internal ids by kind and key."""
    for name in SETTINGS:
        if name in document:
            store.set(name, document[name])
    _credentials(store, document)
    seeding = _Seeding(store)
    for name, (kind, key, body_of) in KINDS.items():
        for given in document.get(name, []):
            seeding.put(kind, str(given[key]), body_of(seeding, given))
    for given in _periods(document.get("periods", [])):
        seeding.put("accountingPeriod", given["periodName"], given)
    return seeding.made


class _Seeding:
    """Records by kind and external id."""

    def __init__(self, store: Store) -> None:
        self.store = store
        self.made: dict[str, dict[str, str]] = {}

    def put(self, kind: str, key: str, body: dict[str, Any]) -> None:
        number = _number(kind, key, body)
        found = self.store.by_external(kind, key, hidden=True)
        if found is None:
            found = self.store.add(kind, str(self.store.next(f"id:{kind}")), body, number=number, external_id=key)
        else:
            found.body |= body
            found.number = number
            self.store.put(found)
        self.made.setdefault(kind, {})[key] = found.id

    def reference(self, kind: str, key: Any) -> dict[str, str]:
        return {"id": self.record(kind, key).id}

    def record(self, kind: str, key: Any) -> Record:
        found = self.store.by_external(kind, str(key), hidden=True)
        if found is None:
            raise ValueError(f"{kind} {key} is not seeded")
        return found

    def references(self, kind: str, keys: Any) -> dict[str, Any]:
        return {"items": [self.reference(kind, key) for key in keys or []]}


def _number(kind: str, key: str, body: dict[str, Any]) -> str | None:
    """What a person would type to find it."""
    return body["entityId"] if kind == "customer" else key


def _credentials(store: Store, document: dict[str, Any]) -> None:
    for token in document.get("tokens", []):
        store.remove("tba", token["token_id"])
        store.add("tba", token["token_id"], token)
    for certificate in document.get("certificates", []):
        store.remove("certificate", certificate["certificate_id"])
        store.add("certificate", certificate["certificate_id"], certificate)


def _currency(seeding: _Seeding, given: dict[str, Any]) -> dict[str, Any]:
    return {
        "symbol": given["symbol"], "name": given.get("name", given["symbol"]),
        "currencyPrecision": given.get("decimals", 2), "exchangeRate": given.get("exchange_rate", 1),
        "isBaseCurrency": given.get("base", False), "isInactive": given.get("inactive", False),
    }  # fmt: skip


def _subsidiary(seeding: _Seeding, given: dict[str, Any]) -> dict[str, Any]:
    currency = seeding.record("currency", given["currency"])
    body = {
        "name": given.get("name", given["key"]), "currency": {"id": currency.id}, "country": given.get("country", ""),
        "_decimals": currency.body["currencyPrecision"], "isInactive": given.get("inactive", False),
        "currencies": given.get("currencies", []),
    }  # fmt: skip
    if given.get("parent"):
        body["parent"] = seeding.reference("subsidiary", given["parent"])
    return body


def _account(seeding: _Seeding, given: dict[str, Any]) -> dict[str, Any]:
    return {
        "acctNumber": str(given["number"]), "acctName": given.get("name", str(given["number"])),
        "acctType": given.get("type", "OthCurrAsset"), "isInactive": given.get("inactive", False),
        "subsidiary": seeding.references("subsidiary", given.get("subsidiaries")),
    }  # fmt: skip


def _segment(seeding: _Seeding, given: dict[str, Any]) -> dict[str, Any]:
    return {
        "name": given.get("name", given["key"]), "isInactive": given.get("inactive", False),
        "subsidiary": seeding.references("subsidiary", given.get("subsidiaries")),
    }  # fmt: skip


def _item(seeding: _Seeding, given: dict[str, Any]) -> dict[str, Any]:
    return {
        "itemId": given["key"], "displayName": given.get("name", given["key"]),
        "itemType": given.get("type", "NonInvtPart"), "isInactive": given.get("inactive", False),
    }  # fmt: skip


def _customer(seeding: _Seeding, given: dict[str, Any]) -> dict[str, Any]:
    body = {
        "companyName": given.get("name", given["key"]), "entityId": given.get("entity_id", given["key"]),
        "subsidiary": seeding.reference("subsidiary", given["subsidiary"]),
        "currency": seeding.reference("currency", given["currency"]), "isInactive": given.get("inactive", False),
    }  # fmt: skip
    if given.get("parent"):
        body["parent"] = seeding.reference("customer", given["parent"])
    return body


Body = Callable[[_Seeding, dict[str, Any]], dict[str, Any]]
# Name in the document → kind of record, the field that is its key, its body. In the order of what refers to what.
KINDS: dict[str, tuple[str, str, Body]] = {
    "currencies": ("currency", "symbol", _currency),
    "subsidiaries": ("subsidiary", "key", _subsidiary),
    "accounts": ("account", "number", _account),
    "departments": ("department", "key", _segment),
    "classes": ("classification", "key", _segment),
    "locations": ("location", "key", _segment),
    "items": ("item", "key", _item),
    "customers": ("customer", "key", _customer),
}


def _periods(given: Any) -> list[dict[str, Any]]:
    """A list of periods, or {"first": "2025-01", "last": "2026-12", "closed_through": "2025-09"} for its months."""
    if isinstance(given, dict):
        return _months(given)
    return [_period(each) for each in given]


def _months(given: dict[str, Any]) -> list[dict[str, Any]]:
    found, at = [], dt.date.fromisoformat(f"{given['first']}-01")
    while f"{at:%Y-%m}" <= given["last"]:
        closed = f"{at:%Y-%m}" <= given.get("closed_through", "")
        found.append(_period({"month": f"{at:%Y-%m}", "closed": closed}))
        at = (at + dt.timedelta(days=31)).replace(day=1)
    return found


def _period(given: dict[str, Any]) -> dict[str, Any]:
    """{"month": "2026-03", …} or {"name", "starts_on", "ends_on", …}; closed, all_locked, locked_subsidiaries."""
    if "month" in given:
        first = dt.date.fromisoformat(f"{given['month']}-01")
        last = first.replace(day=calendar.monthrange(first.year, first.month)[1])
        name = given.get("name", f"{first:%b %Y}")
    else:
        first, last = dt.date.fromisoformat(given["starts_on"]), dt.date.fromisoformat(given["ends_on"])
        name = given["name"]
    return {
        "periodName": name, "startDate": first.isoformat(), "endDate": last.isoformat(),
        "closed": given.get("closed", False), "allLocked": given.get("all_locked", False),
        "arLocked": given.get("ar_locked", False), "apLocked": False,
        "lockedSubsidiaries": given.get("locked_subsidiaries", []), "isPosting": True, "isQuarter": False,
        "isYear": False, "isAdjust": given.get("adjustment", False),
    }  # fmt: skip
