"""The only arithmetic on amounts: integer minor units with their ISO 4217 currency.

Money(1250, "EUR") is twelve euros fifty. No float enters or leaves; a Decimal is
accepted only where it is exact in the currency's own decimals.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from decimal import ROUND_HALF_UP, Decimal, InvalidOperation
from fractions import Fraction

# ISO 4217:2015 and its amendments to 2025; what is not named otherwise has two decimals.
_NO_DECIMALS = "BIF CLP DJF GNF ISK JPY KMF KRW PYG RWF UGX UYI VND VUV XAF XOF XPF"
_THREE_DECIMALS = "BHD IQD JOD KWD LYD OMR TND"
_FOUR_DECIMALS = "CLF UYW"
_TWO_DECIMALS = (
    "AED AFN ALL AMD AOA ARS AUD AWG AZN BAM BBD BDT BMD BND BOB BRL BSD BTN BWP BYN BZD CAD CDF CHF CNY COP "
    "CRC CUP CVE CZK DKK DOP DZD EGP ERN ETB EUR FJD FKP GBP GEL GHS GIP GMD GTQ GYD HKD HNL HTG HUF IDR ILS "
    "INR IRR JMD KES KGS KHR KPW KYD KZT LAK LBP LKR LRD LSL MAD MDL MGA MKD MMK MNT MOP MRU MUR MVR MWK MXN "
    "MYR MZN NAD NGN NIO NOK NPR NZD PAB PEN PGK PHP PKR PLN QAR RON RSD RUB SAR SBD SCR SDG SEK SGD SHP SLE "
    "SOS SRD SSP STN SVC SYP SZL THB TJS TMT TOP TRY TTD TWD TZS UAH USD UYU UZS VED VES WST XCD XCG YER ZAR "
    "ZMW ZWG"
)
EXPONENTS: dict[str, int] = {
    code: exponent
    for exponent, codes in ((0, _NO_DECIMALS), (2, _TWO_DECIMALS), (3, _THREE_DECIMALS), (4, _FOUR_DECIMALS))
    for code in codes.split()
}


class MoneyError(ValueError):
    """An amount that cannot be held exactly, or two currencies in one sum."""


def exponent(currency: str) -> int:
    """Decimals of a currency (JPY 0, USD 2, KWD 3). Raises MoneyError for an unknown code."""
    try:
        return EXPONENTS[currency]
    except KeyError:
        raise MoneyError(f"{currency!r} is not an ISO 4217 currency code in use") from None


@dataclass(frozen=True, slots=True, order=False)
class Money:
    """An amount in minor units of one currency."""

    minor: int
    currency: str

    def __post_init__(self) -> None:
        if type(self.minor) is not int:
            raise MoneyError(f"minor units are a whole number, not {self.minor!r}")
        exponent(self.currency)

    @classmethod
    def of(cls, value: Decimal | str | int, currency: str) -> Money:
        """The exact amount of a decimal in currency units; raises where digits would be lost."""
        try:
            scaled = Decimal(value).scaleb(exponent(currency))
        except InvalidOperation:
            raise MoneyError(f"{value!r} is not a decimal number") from None
        if not scaled.is_finite() or scaled != scaled.to_integral_value():
            raise MoneyError(f"{value} {currency} has more than {exponent(currency)} decimals")
        return cls(int(scaled), currency)

    def decimal(self) -> Decimal:
        """The amount in currency units, with the currency's own decimals."""
        return Decimal(self.minor).scaleb(-exponent(self.currency))

    def __str__(self) -> str:
        return f"{self.currency} {self.decimal():,f}"

    def __bool__(self) -> bool:
        return self.minor != 0

    def __neg__(self) -> Money:
        return Money(-self.minor, self.currency)

    def __abs__(self) -> Money:
        return Money(abs(self.minor), self.currency)

    def __add__(self, other: Money) -> Money:
        return Money(self.minor + self._same(other), self.currency)

    def __sub__(self, other: Money) -> Money:
        return Money(self.minor - self._same(other), self.currency)

    def __lt__(self, other: Money) -> bool:
        return self.minor < self._same(other)

    def __le__(self, other: Money) -> bool:
        return self.minor <= self._same(other)

    def _same(self, other: Money) -> int:
        if self.currency != other.currency:
            raise MoneyError(f"{self} and {other} are in two currencies; convert one first")
        return other.minor


def round_half_up(value: Decimal) -> int:
    """The nearest whole number, halves away from zero: the one rounding rule of the house."""
    return int(value.quantize(Decimal(1), rounding=ROUND_HALF_UP))


def times(amount_minor: int, factor: Decimal) -> int:
    """amount × factor in minor units, rounded half up once."""
    return round_half_up(Decimal(amount_minor) * factor)


def converted(amount_minor: int, source: str, target: str, rate: Decimal) -> int:
    """Minor units of `target` for `amount_minor` of `source` at `rate` (target units per source unit)."""
    if source == target:
        return amount_minor
    shift = exponent(target) - exponent(source)
    return round_half_up((Decimal(amount_minor) * rate).scaleb(shift))


def split_over_time(total_minor: int, weights: Sequence[int]) -> list[int]:
    """Parts by cumulative rounding, half up: part i = round(total × cumulated share) − earlier parts.

    The parts sum to the total whatever the weights, and a re-run gives the same parts.
    """
    whole = sum(weights)
    if whole <= 0:
        raise MoneyError("the weights of a split must have a positive sum")
    parts: list[int] = []
    reached = weight_so_far = 0
    for weight in weights:
        weight_so_far += weight
        target = round_half_up(Decimal(total_minor) * weight_so_far / whole)
        parts.append(target - reached)
        reached = target
    return parts


def whole_parts(exact: Sequence[Fraction]) -> list[int]:
    """Whole minor units for exact parts (none negative), by cumulative rounding: they sum to the whole, half up."""
    parts: list[int] = []
    reached, so_far = 0, Fraction(0)
    for part in exact:
        so_far += part
        target = int(so_far + Fraction(1, 2))
        parts.append(target - reached)
        reached = target
    return parts


def split_over_lines(total_minor: int, weights: Sequence[int]) -> list[int]:
    """Parts by largest remainder; ties go to the earlier line."""
    whole = sum(weights)
    if whole <= 0:
        raise MoneyError("the weights of a split must have a positive sum")
    shares = [divmod(total_minor * weight, whole) for weight in weights]
    parts = [share for share, _ in shares]
    by_remainder = sorted(range(len(weights)), key=lambda i: (-shares[i][1], i))
    for i in by_remainder[: total_minor - sum(parts)]:
        parts[i] += 1
    return parts


def total(amounts: Iterable[Money], currency: str) -> Money:
    """The sum of amounts in one currency; zero of that currency when there is none."""
    result = Money(0, currency)
    for amount in amounts:
        result = result + amount
    return result


_SIGNS = {"€": "EUR", "$": "USD", "£": "GBP", "¥": "JPY"}
_DIGITS = re.compile(r"[-\u2212]?[0-9][0-9.,'\u2019 \u00a0\u202f]*")


def typed(text: str) -> tuple[Decimal, str] | None:
    """1,234.50 EUR, EUR 1.234,50, €1234.5, 1 234: (units, currency or nothing); None where it is no amount.

    The last of two kinds of separator is the decimal one; so is one that stands once, unless it sets thousands apart:
    1.234 is a thousand and more, 1234.567 and 0.125 are not.
    """
    currency = ""
    rest = text.strip()
    for sign, code in _SIGNS.items():
        if rest.startswith(sign) or rest.endswith(sign):
            rest, currency = rest.strip(sign).strip(), code
    if not currency and (coded := re.fullmatch(r"([A-Za-z]{3})\s*(.+)|(.+?)\s*([A-Za-z]{3})", rest)):
        code = (coded[1] or coded[4]).upper()
        if code not in EXPONENTS:
            return None
        rest, currency = (coded[2] or coded[3]).strip(), code
    if not _DIGITS.fullmatch(rest) or len(rest) > 24:
        return None
    digits = re.sub(r"['\u2019 \u00a0\u202f]", "", rest).replace("\u2212", "-")
    last = max(digits.rfind("."), digits.rfind(","))
    if last >= 0:
        both = "." in digits and "," in digits
        once = digits.count(digits[last]) == 1
        head = digits[:last].lstrip("-")
        groups = len(digits) - last - 1 == 3 and len(head) <= 3 and head != "0"
        decimal = once and (both or not groups)
        whole, part = (digits[:last], digits[last + 1 :]) if decimal else (digits, "")
        digits = re.sub(r"[.,]", "", whole) + (f".{part}" if part else "")
    units = Decimal(digits)
    return (units, currency) if abs(units) < 10**15 else None
