"""TaxRequest → CreateTransactionModel, and TransactionModel → TaxEstimate.

An estimate is a transaction of type SalesOrder: AvaTax calculates it and keeps nothing. Amounts are JSON numbers with
the digits of our minor units; what comes back is read as Decimal.
"""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal, InvalidOperation
from typing import Any

from q2c.contracts.documents import Address, TaxEstimate, TaxRequest
from q2c.money import Money, exponent, round_half_up

# Longest text that a field of AvaTax takes.
LENGTHS = {"customerCode": 50, "companyCode": 50, "taxCode": 25, "itemCode": 50, "code": 50, "postalCode": 11}
# Of an address, what is longer than this describes more than tax needs.
CUT = {"line1": 100, "city": 50}


class Unreadable(Exception):
    """An answer that is no estimate of what was asked; the text says why."""


class TooLong(Exception):
    """A value that AvaTax has no room for: `field` and `text`."""

    def __init__(self, field: str, value: str) -> None:
        self.field = field
        super().__init__(f"{field} {value!r} has {len(value)} characters; AvaTax takes {LENGTHS[field]}")


def transaction(request: TaxRequest, options: Mapping[str, Any]) -> dict[str, Any]:
    """The body of POST /transactions/create. Raises TooLong.

    Options: `companies` {entity: AvaTax company code}, else the entity's own code; `ship_from` {entity: address},
    used where the request names none. Without any, AvaTax takes the company's default location.
    """
    company = str(options.get("companies", {}).get(request.company, request.company))
    places = {"shipTo": _address(request.ship_to)}
    if request.ship_from is not None:
        places["shipFrom"] = _address(request.ship_from)
    elif given := options.get("ship_from", {}).get(request.company):
        places["shipFrom"] = _address(Address(**given))
    return {
        "type": "SalesOrder",
        "commit": False,
        "code": _fits("code", request.code),
        "companyCode": _fits("companyCode", company),
        "customerCode": _fits("customerCode", request.customer),
        "date": request.on.isoformat(),
        "currencyCode": request.currency,
        "addresses": places,
        "lines": [
            {
                "number": str(number),
                "quantity": 1,
                "amount": Money(net_minor, request.currency).decimal(),
                "itemCode": _fits("itemCode", item),
                "taxIncluded": False,
                # An empty tax code would be taxed as "tangible personal property", silently.
                **({"taxCode": _fits("taxCode", tax_code)} if tax_code else {}),
            }
            for number, tax_code, item, net_minor in request.lines
        ],
    }


def _fits(field: str, value: str) -> str:
    if len(value) > LENGTHS[field]:
        raise TooLong(field, value)
    return value


def _address(address: Address) -> dict[str, str]:
    named = {
        "line1": address.line1, "city": address.city, "region": address.region, "country": address.country,
        "postalCode": _fits("postalCode", address.postal_code),
    }  # fmt: skip
    return {name: value[: CUT.get(name, len(value))] for name, value in named.items() if value}


def estimate(request: TaxRequest, answer: Any) -> TaxEstimate:
    """The estimate in minor units. Raises Unreadable where it is not an answer to what was asked."""
    if not isinstance(answer, dict) or not isinstance(answer.get("lines"), list):
        raise Unreadable("it holds no lines")
    if answer.get("currencyCode", request.currency) != request.currency:
        raise Unreadable(f"it is in {answer['currencyCode']}, not {request.currency}")
    by_number = {str(line.get("lineNumber")): line for line in answer["lines"] if isinstance(line, dict)}
    wanted = [str(number) for number, _, _, _ in request.lines]
    if sorted(by_number) != sorted(wanted) or len(answer["lines"]) != len(wanted):
        raise Unreadable(f"it has the lines {', '.join(sorted(by_number))}, not {', '.join(wanted)}")
    taxes = [_decimal(by_number[number], "tax") for number in wanted]
    total = _decimal(answer, "totalTax")
    if sum(taxes) != total:
        raise Unreadable(f"its lines sum to {sum(taxes)}, its total is {total}")
    lines = _minor(taxes, request.currency)
    return TaxEstimate(
        tax_minor=sum(lines),
        by_line={number: minor for (number, _, _, _), minor in zip(request.lines, lines, strict=True)},
        by_jurisdiction=_by_jurisdiction(by_number, wanted, request.currency),
    )


def _minor(amounts: list[Decimal], currency: str) -> list[int]:
    """Minor units whose sum is the rounded sum: AvaTax may answer with more decimals than the currency has."""
    parts: list[int] = []
    reached, so_far = 0, Decimal(0)
    for amount in amounts:
        so_far += amount.scaleb(exponent(currency))
        target = round_half_up(so_far)
        parts.append(target - reached)
        reached = target
    return parts


def _by_jurisdiction(lines: Mapping[str, Any], wanted: list[str], currency: str) -> dict[str, int]:
    """Tax by jurisdiction, such as 'US-CA State: CALIFORNIA'; zero ones are left out."""
    sums: dict[str, Decimal] = {}
    for number in wanted:
        for detail in lines[number].get("details") or []:
            place = _place(detail)
            kind = detail.get("jurisdictionType") or detail.get("jurisType") or ""
            label = f"{place} {kind}: {detail.get('jurisName') or detail.get('taxName') or ''}".strip(": ")
            sums[label] = sums.get(label, Decimal(0)) + _decimal(detail, "tax")
    found = {label: tax for label, tax in sums.items() if tax}
    return dict(zip(found, _minor(list(found.values()), currency), strict=True))


def untaxed_for_nexus(answer: Any) -> str:
    """The place in which AvaTax charges nothing because the company is not registered there; empty for none."""
    for line in answer["lines"]:
        details = line.get("details") or []
        if details and all(detail.get("nonTaxableType") == "NexusRule" for detail in details):
            return _place(details[0])
    return ""


def _place(detail: Mapping[str, Any]) -> str:
    """'US-CA'; a country that is not divided is its own region at AvaTax."""
    country, region = str(detail.get("country") or ""), str(detail.get("region") or "")
    return country if region in ("", country) else f"{country}-{region}"


def _decimal(record: Mapping[str, Any], name: str) -> Decimal:
    value = record.get(name)
    try:
        amount = Decimal(str(value))
    except InvalidOperation:
        raise Unreadable(f"{name} is {value!r}, not a number") from None
    if not amount.is_finite():
        raise Unreadable(f"{name} is {value!r}, not a number")
    return amount
