"""Transactions: orders are estimates and not kept, invoices are saved, committed and voided."""

from __future__ import annotations

import datetime as dt
import time
from dataclasses import dataclass
from decimal import Decimal, InvalidOperation
from typing import Any

from q2c.connectors.avatax.sandbox.errors import failure, refusal
from q2c.connectors.avatax.sandbox.tax import Rate, applying, details, summary
from q2c.connectors.sandbox_kit import Answer, Request, Store
from q2c.money import EXPONENTS

_KINDS = ("Sales", "Purchase", "Return", "InventoryTransfer", "ReverseCharge", "Customs")
TYPES = {f"{kind}{ending}" for kind in _KINDS for ending in ("Order", "Invoice")}
_LENGTHS = {"code": 50, "customerCode": 50, "companyCode": 50, "currencyCode": 3}
_LINE_LENGTHS = {"number": 50, "taxCode": 25, "itemCode": 50}
_NEED_REGION = {"US", "CA"}


@dataclass(frozen=True, kw_only=True, slots=True)
class _Case:
    """What all lines of a transaction have in common."""

    place: dict[str, str]
    currency: str
    registered: bool
    rates: list[Rate]
    codes: list[str]


def create(request: Request, store: Store) -> Answer:
    if "forcetimeout" in request.query.get("$include", "").lower():
        time.sleep(float(store.setting("force_timeout_s", 30)))
        return failure(400, "TimeoutRequested", 316, "The request asked for a timeout.")
    model = _model(request)
    company = _company(store, model)
    place = _ship_to(store, model)
    case = _Case(
        place=place, currency=model["currencyCode"], registered=_registered(company, place),
        rates=[Rate.of(record.body) for record in store.all("rate")], codes=store.setting("tax_codes", []),
    )  # fmt: skip
    lines = [_line(number, line, case) for number, line in enumerate(model["lines"])]
    _fail_one(request, lines)
    found = _document(store, model, company, lines)
    kept = model["type"].endswith("Invoice")
    if kept:
        _keep(store, company, found, bool(model.get("commit")))
    location = f"/api/v2/companies/{company['id']}/transactions/{found['id']}"
    return Answer(201, _included(found, request), {"Location": location})


def _model(request: Request) -> dict[str, Any]:
    """The body, checked as the service checks it: shape, lengths, words."""
    try:
        model = request.json()
    except ValueError:
        model = None
    if not isinstance(model, dict):
        raise refusal(
            400, "JsonFormatError", 47, "The JSON you submitted is not correct.", outer="ModelStateInvalid",
            target="HttpRequest",
        )  # fmt: skip
    model.setdefault("type", "SalesOrder")
    if model["type"] not in TYPES:
        raise refusal(
            400, "JsonFormatError", 47, f"Error converting value {model['type']!r} to type DocumentType.",
            outer="ModelStateInvalid", target="HttpRequest", refers_to="type",
        )  # fmt: skip
    if not model.get("lines"):
        raise refusal(400, "MissingLine", 311, "A line is required.", target="HttpRequestHeaders", refers_to="lines")
    for name in ("customerCode", "date"):
        if not model.get(name):
            raise refusal(400, "ValueRequiredError", 5, f"Field {name} is required.", refers_to=name)
    _lengths(model, _LENGTHS, "")
    for number, line in enumerate(model["lines"]):
        _lengths(line, _LINE_LENGTHS, f"Lines[{number}].")
    model["currencyCode"] = str(model.get("currencyCode") or "USD")
    if model["currencyCode"] not in EXPONENTS:
        raise refusal(400, "InvalidCurrency", 308, f"{model['currencyCode']} is no currency.", refers_to="currencyCode")
    try:
        model["date"] = dt.date.fromisoformat(str(model["date"])[:10]).isoformat()
    except ValueError:
        raise refusal(
            400, "JsonFormatError", 47, f"{model['date']!r} is no date.", outer="ModelStateInvalid", refers_to="date"
        ) from None
    return model


def _lengths(values: dict[str, Any], lengths: dict[str, int], where: str) -> None:
    for name, most in lengths.items():
        if len(str(values.get(name) or "")) > most:
            raise refusal(
                400, "StringLengthError", 13, f"Field {name} must be between 0 and {most} characters in length.",
                target="IncorrectData", refers_to=f"{where}{name}",
            )  # fmt: skip


def _company(store: Store, model: dict[str, Any]) -> dict[str, Any]:
    code = str(model.get("companyCode") or "DEFAULT")
    found = store.get("company", code)
    if found is None:
        raise refusal(
            400, "CompanyNotFoundError", 38, f"Company not found: {code}.", refers_to="CompanyCode",
            target="CustomerAccountSetup",
        )  # fmt: skip
    if found.body.get("active") in (False, "false", "0", ""):
        raise refusal(
            400, "InactiveCompanyError", 39, f"Company {code} is not active.", refers_to="CompanyCode",
            target="CustomerAccountSetup",
        )  # fmt: skip
    return found.body


def _ship_to(store: Store, model: dict[str, Any]) -> dict[str, str]:
    """Address names are in any case; the country may stand in lower case."""
    places = {str(name).lower(): place for name, place in (model.get("addresses") or {}).items() if place}
    given = places.get("shipto") or places.get("singlelocation")
    position = 1 if "shipfrom" in places and "shipto" in places else 0
    if not given:
        raise refusal(400, "GetTaxError", 300, "A destination address is required.", refers_to="Addresses")
    place = {name: str(given.get(name) or "") for name in ("country", "region", "postalCode", "city")}
    place["country"] = place["country"].upper()
    bad = next((body for body in (r.body for r in store.all("bad_address")) if _is(body, place)), None)
    incomplete = not place["country"] or (
        place["country"] in _NEED_REGION and not place["region"] and not place["postalCode"]
    )
    if bad or incomplete:
        message = bad["message"] if bad else "The address is incomplete or invalid."
        raise refusal(
            400, "GetTaxError", 300, f"Tax calculation cannot be determined. {message}",
            description="Unable to determine the taxing jurisdictions.", refers_to=f"Addresses[{position}]",
        )  # fmt: skip
    return place


def _is(bad: dict[str, Any], place: dict[str, str]) -> bool:
    pairs = (("country", "country"), ("region", "region"), ("postal_code", "postalCode"))
    return all(not bad.get(ours) or bad[ours] == place[theirs] for ours, theirs in pairs)


def _line(position: int, line: dict[str, Any], case: _Case) -> dict[str, Any]:
    try:
        amount = Decimal(str(line["amount"]))
    except (KeyError, InvalidOperation):
        raise refusal(
            400, "ValueRequiredError", 5, "Field amount is required.", refers_to=f"Lines[{position}].amount"
        ) from None
    code = str(line.get("taxCode") or "")
    if code and case.codes and code not in case.codes:
        raise refusal(
            400, "InvalidTaxCode", 904, f"Tax code {code} is not known.", refers_to=f"Lines[{position}].taxCode"
        )
    rates = applying(case.rates, case.place["country"], case.place["region"], code)
    found = details(amount, rates, case.currency, registered=case.registered)
    tax = sum((detail["tax"] for detail in found), Decimal(0))
    return {
        "lineNumber": str(line.get("number") or position + 1), "lineAmount": amount,
        "quantity": Decimal(str(line.get("quantity") or 1)), "itemCode": line.get("itemCode") or "",
        "description": line.get("description") or "", "taxCode": code or "P0000000", "tax": tax,
        "taxCalculated": tax, "taxableAmount": amount if case.registered else Decimal(0),
        "exemptAmount": Decimal(0), "isItemTaxable": True, "discountAmount": Decimal(0),
        "taxIncluded": bool(line.get("taxIncluded")), "details": found,
    }  # fmt: skip


def _registered(company: dict[str, Any], place: dict[str, str]) -> bool:
    nexus = company.get("nexus")
    if isinstance(nexus, str):
        nexus = [part.strip() for part in nexus.split(",")]
    return nexus is None or bool({place["country"], f"{place['country']}-{place['region']}"} & set(nexus))


def _fail_one(request: Request, lines: list[dict[str, Any]]) -> None:
    if "partial_failure" in request.environ.get("q2c.faults", {}):
        last = len(lines) - 1
        raise refusal(
            400, "GetTaxError", 300, f"Line {lines[last]['lineNumber']} cannot be calculated.",
            refers_to=f"Lines[{last}]",
        )  # fmt: skip


def _document(
    store: Store, model: dict[str, Any], company: dict[str, Any], lines: list[dict[str, Any]]
) -> dict[str, Any]:
    kept = model["type"].endswith("Invoice")
    id_ = store.next("transaction", 8_880_618_000) if kept else 0
    tax = sum((line["tax"] for line in lines), Decimal(0))
    return {
        "id": id_, "code": model.get("code") or f"q2c-sandbox-{store.next('code')}", "companyId": company["id"],
        "date": model["date"], "type": model["type"], "currencyCode": model["currencyCode"],
        "status": ("Committed" if model.get("commit") else "Saved") if kept else "Temporary",
        "customerCode": model["customerCode"], "customerVendorCode": model["customerCode"],
        "totalAmount": sum((line["lineAmount"] for line in lines), Decimal(0)), "totalExempt": Decimal(0),
        "totalDiscount": Decimal(0), "totalTax": tax, "totalTaxCalculated": tax,
        "totalTaxable": sum((line["taxableAmount"] for line in lines), Decimal(0)), "locked": False, "version": 1,
        "adjustmentReason": "NotAdjusted", "modifiedDate": f"{store.now():%Y-%m-%dT%H:%M:%S.000Z}",
        "taxDate": f"{model['date']}T00:00:00", "lines": [{"transactionId": id_, **line} for line in lines],
        "summary": summary(lines),
    }  # fmt: skip


def _keep(store: Store, company: dict[str, Any], found: dict[str, Any], commit: bool) -> None:
    """A code is written over until its document is committed."""
    key = _key(company["code"], found["code"])
    there = store.get("transaction", key, lock=True, hidden=True)
    if there is None:
        store.add("transaction", key, found)
        return
    if there.body["status"] not in ("Saved", "Posted"):
        raise refusal(
            400, "GetTaxError", 300, "DocStatus is invalid for this operation.", refers_to="DocStatus",
            description="Expected Saved|Posted",
        )  # fmt: skip
    there.body = found
    store.put(there)


def _key(company: str, code: str) -> str:
    return f"{company}:{code}"


def _stored(request: Request, store: Store) -> Any:
    key = _key(request.vars["company"], request.vars["code"])
    found = store.get("transaction", key, lock=request.method == "POST")
    if found is None:
        raise refusal(404, "EntityNotFoundError", 4, f"The Transaction with code '{key}' was not found.")
    return found


def read(request: Request, store: Store) -> Answer:
    return Answer(200, {"paymentDate": "1900-01-01", **_included(_stored(request, store).body, request)})


def commit(request: Request, store: Store) -> Answer:
    return _moved(request, store, {"Saved", "Posted"}, "Committed")


def void(request: Request, store: Store) -> Answer:
    return _moved(request, store, {"Saved", "Posted", "Committed"}, "Cancelled")


def _moved(request: Request, store: Store, allowed: set[str], to: str) -> Answer:
    found = _stored(request, store)
    if found.body["status"] not in allowed:
        raise refusal(
            400, "GetTaxError", 300, "DocStatus is invalid for this operation.", refers_to="DocStatus",
            description=f"Expected {'|'.join(sorted(allowed))}",
        )  # fmt: skip
    found.body["status"] = to
    store.put(found)
    return Answer(200, found.body)


def _included(found: dict[str, Any], request: Request) -> dict[str, Any]:
    """Without $include the summary comes, the lines do not; `Details` asks for the lines' details, too."""
    asked = {part.strip().lower() for part in request.query.get("$include", "").split(",")}
    if "summaryonly" in asked:
        return {name: value for name, value in found.items() if name != "lines"}
    shown = dict(found)
    if not asked & {"lines", "details", "linesonly"} - {""}:
        shown.pop("lines", None)
    elif "details" not in asked:
        shown["lines"] = [{k: v for k, v in line.items() if k != "details"} for line in found["lines"]]
    return shown
