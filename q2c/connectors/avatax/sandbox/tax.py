"""The arithmetic of a transaction: rates by place and tax code, rounded per jurisdiction and line."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from decimal import ROUND_HALF_UP, Decimal
from typing import Any

from q2c.money import exponent

# As details name them, and as summaries do.
JURISDICTIONS = {"Country": "CNT", "State": "STA", "County": "CTY", "City": "CIT", "Special": "STJ"}
_STORED = Decimal("0.0001")
_RATE = Decimal("0.000001")


@dataclass(frozen=True, kw_only=True)
class Rate:
    """One jurisdiction's rate; an empty region is the whole country, an empty tax code is every code."""

    country: str
    region: str
    name: str
    type: str
    rate: Decimal
    tax_type: str
    tax_code: str

    @classmethod
    def of(cls, body: dict[str, Any]) -> Rate:
        names = ("country", "region", "name", "type", "tax_type", "tax_code")
        return cls(rate=Decimal(str(body["rate"])), **{name: str(body.get(name) or "") for name in names})


def applying(rates: Sequence[Rate], country: str, region: str, tax_code: str) -> list[Rate]:
    """One rate per jurisdiction of the place; one for the tax code goes before the general one."""
    found: dict[tuple[str, str], Rate] = {}
    for rate in sorted(rates, key=lambda r: r.tax_code):
        if rate.country == country and rate.region in ("", region) and rate.tax_code in ("", tax_code):
            found[rate.type, rate.name] = rate
    order = list(JURISDICTIONS)
    return sorted(found.values(), key=lambda r: (order.index(r.type), r.name))


def details(amount: Decimal, rates: Sequence[Rate], currency: str, *, registered: bool) -> list[dict[str, Any]]:
    """The tax of one line by jurisdiction; without nexus each is untaxed for that rule."""
    return [_detail(amount, rate, currency, registered=registered) for rate in rates]


def _detail(amount: Decimal, rate: Rate, currency: str, *, registered: bool) -> dict[str, Any]:
    # AvaTax knows no third decimal, and of a currency without decimals none at all.
    digits = Decimal(1).scaleb(-min(2, exponent(currency)))
    tax = (amount * rate.rate).quantize(digits, ROUND_HALF_UP) if registered else Decimal(0)
    found = {
        "country": rate.country, "region": rate.region or rate.country,
        "jurisCode": rate.region or rate.country, "jurisName": rate.name, "jurisType": JURISDICTIONS[rate.type],
        "jurisdictionType": rate.type, "rate": rate.rate.quantize(_RATE), "tax": tax.quantize(_STORED),
        "taxCalculated": tax.quantize(_STORED), "taxableAmount": (amount if registered else Decimal(0)),
        "nonTaxableAmount": Decimal(0) if registered else amount, "exemptAmount": Decimal(0),
        "taxType": rate.tax_type, "taxSubTypeId": "S", "taxName": f"{rate.name} {rate.tax_type.upper()} TAX",
        "rateType": "General",
    }  # fmt: skip
    return found if registered else {**found, "nonTaxableType": "NexusRule"}


def summary(lines: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    """Per jurisdiction over all lines; here the type is a word."""
    found: dict[tuple[str, str], dict[str, Any]] = {}
    for detail in (detail for line in lines for detail in line["details"]):
        row = found.setdefault(
            (detail["jurisdictionType"], detail["jurisName"]),
            {
                "country": detail["country"], "region": detail["region"], "jurisType": detail["jurisdictionType"],
                "jurisCode": detail["jurisCode"], "jurisName": detail["jurisName"], "taxAuthorityType": 45,
                "taxType": detail["taxType"], "taxSubType": "S", "taxName": detail["taxName"],
                "rateType": "General", "rate": detail["rate"], "taxable": Decimal(0), "tax": Decimal(0),
                "taxCalculated": Decimal(0), "nonTaxable": Decimal(0), "exemption": Decimal(0),
            },
        )  # fmt: skip
        row["taxable"] += detail["taxableAmount"]
        row["nonTaxable"] += detail["nonTaxableAmount"]
        row["tax"] += detail["tax"]
        row["taxCalculated"] += detail["taxCalculated"]
    return list(found.values())
