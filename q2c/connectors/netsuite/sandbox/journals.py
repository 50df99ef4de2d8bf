"""journalEntry: what the ledger insists on, and how an entry is kept."""

from __future__ import annotations

import datetime as dt
from decimal import ROUND_HALF_UP, Decimal, InvalidOperation
from typing import Any

from q2c.connectors.netsuite.sandbox.references import References, Target, is_true, shown
from q2c.connectors.netsuite.sandbox.words import refused
from q2c.connectors.sandbox_kit import Store
from q2c.connectors.sandbox_kit.store import Duplicate, Record

KIND = "journalEntry"
_HEADER = (
    "subsidiary toSubsidiary currency exchangeRate tranDate postingPeriod memo tranId externalId approvalStatus "
    "approved class department location reversalDate reversalDefer reversalEntry isReversal accountingBook nexus "
    "customForm createdDate lastModifiedDate transactionNumber void line accountingBookDetail id links refName"
)
_LINE = (
    "account debit credit entity department class location memo eliminate line taxCode tax1Amt grossAmt schedule "
    "startDate endDate links refName"
)
HEADER, LINE = frozenset(_HEADER.split()), frozenset(_LINE.split())
# Field of a line → kind of record.
REFERENCES = {
    "account": "account", "department": "department", "class": "classification", "location": "location",
    "entity": "customer",
}  # fmt: skip
HEADER_REFERENCES = {"subsidiary": "subsidiary", "currency": "currency", "postingPeriod": "accountingPeriod"}
PENDING, APPROVED = "1", "2"
_CUSTOM = ("cseg_", "custcol_", "custbody_")


def wanted(document: dict[str, Any]) -> list[tuple[str, Any]]:
    """Every reference of a journal."""
    found = [(kind, document.get(field)) for field, kind in HEADER_REFERENCES.items()]
    for item in items_of(document):
        found += [(kind, item[field]) for field, kind in REFERENCES.items() if item.get(field)]
    return found


def items_of(document: dict[str, Any]) -> list[dict[str, Any]]:
    line = document.get("line")
    items = line.get("items") if isinstance(line, dict) else None
    return [item for item in items if isinstance(item, dict)] if isinstance(items, list) else []


def create(store: Store, document: dict[str, Any], *, strict: bool) -> Record:
    """A new entry with its numbers. Raises Refused."""
    body = _bent(store, _accepted(store, document, strict=strict) | {"externalId": document.get("externalId")})
    external_id = str(body.pop("externalId") or "") or None
    number = str(document.get("tranId") or f"JE{store.next(KIND, 1001)}")
    body |= {"tranId": number, "transactionNumber": f"JOURNAL{store.next('transactionNumber', 1)}"}
    try:
        return store.add(KIND, str(store.next("id", 5001)), body, number=number, external_id=external_id)
    except Duplicate:
        raise refused("duplicate", value=external_id or number, path="externalId") from None


# What a ledger may do to an entry without a word, such as a workflow of the account that sets fields.
QUIRKS = ("moves_date", "drops_department", "loses_external_id")


def quirk(store: Store, document: dict[str, Any]) -> None:
    """Control: {"name": one of QUIRKS, "times": 1}; with 0 times it is off."""
    if document["name"] not in QUIRKS:
        raise ValueError(f"{document['name']} is no quirk; there are {', '.join(QUIRKS)}")
    store.set("quirks", {**store.setting("quirks", {}), document["name"]: int(document.get("times", 1))})


def _bent(store: Store, body: dict[str, Any]) -> dict[str, Any]:
    quirks: dict[str, int] = store.setting("quirks", {})
    for name in [name for name, times in quirks.items() if times > 0]:
        store.set("quirks", {**quirks, name: quirks[name] - 1})
        if name == "loses_external_id":
            body["externalId"] = None
        elif name == "moves_date":
            body["tranDate"] = (dt.date.fromisoformat(body["tranDate"]) + dt.timedelta(days=1)).isoformat()
        elif name == "drops_department":
            for line in body["line"]["items"]:
                line.pop("department", None)
    return body


def update(store: Store, record: Record, document: dict[str, Any], *, strict: bool, replace: bool) -> None:
    """PATCH, or PUT of an entry that is there. The period it leaves must be open too."""
    _period_open(References(store, [("accountingPeriod", record.body["postingPeriod"])]), record.body)
    merged = {**record.body, **document}
    if "line" in document and not replace:
        merged["line"] = {"items": _merged(items_of(record.body), items_of(document))}
    body = _accepted(store, merged, strict=strict)
    record.body = {**body, "tranId": record.number, "transactionNumber": record.body.get("transactionNumber")}
    if document.get("externalId"):
        record.external_id = str(document["externalId"])
    store.put(record)


def _merged(before: list[dict[str, Any]], after: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Lines that name their number change that line; others are added."""
    by_line = {item["line"]: item for item in before}
    for item in after:
        number = item.get("line") or max(by_line, default=0) + 1
        by_line[number] = {**by_line.get(number, {}), **item, "line": number}
    return list(by_line.values())


def removable(store: Store, record: Record) -> None:
    _period_open(References(store, [("accountingPeriod", record.body["postingPeriod"])]), record.body)


def _accepted(store: Store, document: dict[str, Any], *, strict: bool) -> dict[str, Any]:
    """The entry as it will be kept: references as internal ids, lines numbered."""
    _known_properties(document, strict=strict)
    references = References(store, wanted(document))
    subsidiary = _header(references, document, "subsidiary")
    currency = _header(references, document, "currency", optional=subsidiary.body.get("currency"), store=store)
    day = _day(document)
    period = _period(store, references, document, day)
    _shut(period, subsidiary)
    allowed = subsidiary.body.get("currencies")
    if currency.is_inactive or (allowed and currency.external_id not in allowed and currency.id not in allowed):
        raise refused("ineligible", value=currency.id, field="currency", path="currency")
    decimals = int(currency.body.get("currencyPrecision", 2))
    lines = [
        _line(references, item, index, subsidiary, decimals) for index, item in enumerate(items_of(document))
    ]  # fmt: skip
    _balanced(lines)
    status = document.get("approvalStatus")
    body = {key: value for key, value in document.items() if key in {"memo", "reversalDate", "reversalDefer"}}
    return body | {
        "subsidiary": {"id": subsidiary.id}, "currency": {"id": currency.id}, "tranDate": day.isoformat(),
        "exchangeRate": _rate(document, currency, subsidiary), "postingPeriod": {"id": period.id},
        "approvalStatus": {"id": shown(status) or PENDING if status else PENDING}, "line": {"items": lines},
        "_baseDecimals": int(subsidiary.body.get("_decimals", 2)),
    }  # fmt: skip


def _known_properties(document: dict[str, Any], *, strict: bool) -> None:
    if not strict:
        return
    for name in document:
        if name not in HEADER and not name.startswith(("_", *_CUSTOM)):
            raise refused("property", field=name, path=name)
    for index, item in enumerate(items_of(document)):
        for name in item:
            if name not in LINE and not name.startswith(_CUSTOM):
                raise refused("property", field=name, path=f"line.items[{index}].{name}")


def _header(
    references: References, document: dict[str, Any], field: str, *, optional: Any = None, store: Store | None = None
) -> Target:
    given = document.get(field)
    if not given and optional and store is not None:
        given, references = optional, References(store, [(HEADER_REFERENCES[field], optional)])
    if not given:
        raise refused("missing", field=field, path=field)
    found = references.of(HEADER_REFERENCES[field], given)
    if found is None:
        raise refused("reference", value=shown(given), field=field, path=field)
    if found.is_inactive:
        raise refused("ineligible", value=shown(given), field=field, path=field)
    return found


def _day(document: dict[str, Any]) -> dt.date:
    try:
        return dt.date.fromisoformat(str(document.get("tranDate") or "")[:10])
    except ValueError:
        raise refused("missing", field="tranDate", path="tranDate") from None


def _period(store: Store, references: References, document: dict[str, Any], day: dt.date) -> Target:
    """The period named, which must hold the date; without one, the posting month of the date."""
    given = document.get("postingPeriod")
    if not given:
        rows = store.all(
            "accountingPeriod",
            "body->>'startDate' <= %s AND body->>'endDate' >= %s AND (body->>'isPosting')::boolean",
            [day.isoformat(), day.isoformat()],
        )
        if not rows:
            raise refused("missing", field="postingPeriod", path="postingPeriod")
        found = rows[0]
        return Target(found.kind, found.id, found.external_id, found.number, found.body)
    target = references.of("accountingPeriod", given)
    if target is None or not is_true(target.body.get("isPosting")):
        raise refused("reference", value=shown(given), field="postingPeriod", path="postingPeriod")
    if not target.body["startDate"] <= day.isoformat() <= target.body["endDate"]:
        raise refused("date_period", value=day.isoformat(), path="tranDate")
    return target


def _shut(period: Target, subsidiary: Target) -> None:
    """Closed is closed for all; locked may be so for single subsidiaries."""
    if is_true(period.body.get("closed")):
        raise refused("closed_period", value=period.body["periodName"], path="postingPeriod")
    locked = [str(name) for name in period.body.get("lockedSubsidiaries") or []]
    mine = {subsidiary.id, subsidiary.external_id or subsidiary.id}
    if is_true(period.body.get("allLocked")) or mine.intersection(locked):
        raise refused("locked_period", value=period.body["periodName"], path="postingPeriod")


def _period_open(references: References, body: dict[str, Any]) -> None:
    period = references.of("accountingPeriod", body["postingPeriod"])
    if period is not None and (is_true(period.body.get("closed")) or is_true(period.body.get("allLocked"))):
        raise refused("closed_period", value=period.body["periodName"], path="postingPeriod")


def _rate(document: dict[str, Any], currency: Target, subsidiary: Target) -> Decimal:
    if document.get("exchangeRate") not in (None, ""):
        return Decimal(str(document["exchangeRate"]))
    if {"id": currency.id} == subsidiary.body.get("currency"):
        return Decimal(1)
    return Decimal(str(currency.body.get("exchangeRate") or 1))


def _line(
    references: References, item: dict[str, Any], index: int, subsidiary: Target, decimals: int
) -> dict[str, Any]:
    where = f"line.items[{index}]"
    if not item.get("account"):
        raise refused("missing", field="account", path=where)
    kept: dict[str, Any] = {"line": index + 1}
    for field, kind in REFERENCES.items():
        if not item.get(field):
            continue
        target = references.of(kind, item[field])
        if target is None:
            raise refused("reference", value=shown(item[field]), field=field, path=f"{where}.{field}")
        if target.is_inactive or (kind != "customer" and not target.allows(subsidiary.id)):
            raise refused("ineligible", value=target.id, field=field, path=where)
        kept[field] = {"id": target.id}
    for side in ("debit", "credit"):
        if item.get(side) not in (None, ""):
            kept[side] = _amount(item[side], decimals, f"{where}.{side}")
    if ("debit" in kept) == ("credit" in kept):
        raise refused("missing", field="debit or credit", path=where)
    if item.get("memo"):
        kept["memo"] = str(item["memo"])
    return kept


def _amount(value: Any, decimals: int, where: str) -> Decimal:
    """Rounded to the currency's decimals without a word."""
    try:
        amount = Decimal(str(value))
        return amount.quantize(Decimal(1).scaleb(-decimals), ROUND_HALF_UP)
    except InvalidOperation:
        raise refused("reference", value=value, field=where.rpartition(".")[2], path=where) from None


def _balanced(lines: list[dict[str, Any]]) -> None:
    debits = sum((line["debit"] for line in lines if "debit" in line), Decimal(0))
    credits_ = sum((line["credit"] for line in lines if "credit" in line), Decimal(0))
    if not lines or debits != credits_:
        raise refused("unbalanced", value=f"{debits}, credits {credits_}", path="line")
