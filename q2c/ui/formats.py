"""Numbers, amounts and instants as the reader writes them. Text in, safe HTML out; no float on amounts."""

from __future__ import annotations

import datetime as dt
import re
from decimal import Decimal, InvalidOperation
from typing import Any

from babel.dates import format_date, format_datetime, format_skeleton, format_time
from babel.numbers import format_decimal
from django.utils.html import format_html
from django.utils.safestring import SafeString

from q2c import clock
from q2c.money import EXPONENTS, Money
from q2c.ui import preferences

MINUS = "−"
NOTHING = format_html('<span class="nothing">{}<span class="hidden">nothing</span></span>', "–")
# From this many units on, the short form is used on charts and cards.
_SHORT = ((Decimal(10) ** 9, "bn"), (Decimal(10) ** 6, "m"), (Decimal(10) ** 3, "k"))


def number(value: int | Decimal, decimals: int | None = None) -> str:
    """A plain number in the reader's format, with a true minus."""
    pattern = "#,##0.###" if decimals is None else "#,##0" + ("." + "0" * decimals if decimals else "")
    return str(format_decimal(value, format=pattern, locale=preferences.current().locale)).replace("-", MINUS)


def quantity(value: Decimal | str) -> str:
    """How many: every digit that was counted, and no more. What is no number, as it is."""
    try:
        counted = Decimal(value)
        said = format_decimal(counted, format="#,##0.##########", locale=preferences.current().locale)
    except (InvalidOperation, ValueError):
        return str(value)
    return str(said).replace("-", MINUS)


def rate(value: Decimal) -> str:
    """An exchange rate in the reader's format, with every digit that was used."""
    return str(format_decimal(value, format="#,##0.00#######", locale=preferences.current().locale))


def price(value: Decimal | str, currency: str) -> str:
    """The price of one, with the currency's decimals at least and all that it has beyond them."""
    fixed = EXPONENTS.get(currency, 2)
    pattern = "#,##0" + ("." if fixed < 8 else "") + "0" * fixed + "#" * (8 - fixed)
    return str(format_decimal(Decimal(value), format=pattern, locale=preferences.current().locale))


def amount_of(value: Any, currency: str = "") -> tuple[int, str] | None:
    """(minor units, currency) of a Money, a pair, a mapping or minor units with their currency."""
    if isinstance(value, Money):
        return value.minor, value.currency
    if isinstance(value, dict):
        value, currency = value.get("minor", value.get("amount")), value.get("currency", currency)
    elif isinstance(value, tuple | list):
        value, currency = value
    if value is None or value == "":
        return None
    return int(value), str(currency)


def amount_text(minor: int, currency: str, *, short: bool = False) -> str:
    """The digits of an amount without its currency: "−1,234.50", or "1.2m" when short."""
    places = EXPONENTS.get(currency, 2)
    units = Decimal(minor).scaleb(-places)
    if short:
        for size, suffix in _SHORT:
            if abs(units) >= size:
                return number(round(units / size, 1)) + suffix
        return number(units, 0)
    return number(units, places)


def money(value: Any, currency: str = "", *, short: bool = False, sign: bool = False) -> SafeString:
    """An amount: currency code, then digits aligned on the decimal. None gives a dash."""
    pair = amount_of(value, currency)
    if pair is None:
        return NOTHING
    minor, code = pair
    digits = amount_text(minor, code, short=short)
    if sign and minor > 0:
        digits = "+" + digits
    full = f"{amount_text(minor, code)} {code}"
    places = 0 if short else EXPONENTS.get(code, 2)
    whole, fraction = (digits[: -places - 1], digits[-places - 1 :]) if places else (digits, "")
    return format_html(
        '<data class="money{}" value="{}"{}><span class="currency">{}</span> <span class="digits">{}{}</span></data>',
        " negative" if minor < 0 else "",
        Decimal(minor).scaleb(-EXPONENTS.get(code, 2)),
        format_html(' title="{}"', full) if short else "",
        code,
        whole,
        "" if short else format_html('<span class="fraction">{}</span>', fraction),
    )


def _utc(instant: dt.datetime) -> dt.datetime:
    return instant.astimezone(dt.UTC)


def instant_text(instant: dt.datetime, style: str = "short") -> str:
    """One instant in the reader's zone and format.

    short: day and minute, without the year when it is this year's; day: date only; time: minutes; full: with
    seconds and zone.
    """
    reader = preferences.current()
    local = instant.astimezone(reader.tzinfo)
    if style == "time":
        return str(format_time(local, "short", tzinfo=reader.tzinfo, locale=reader.locale))
    if style == "day":
        return day_text(local.date())
    if style == "full":
        text = format_datetime(local, "medium", tzinfo=reader.tzinfo, locale=reader.locale)
        return f"{text} {local.tzname()}"
    hour = format_time(local, "short", tzinfo=reader.tzinfo, locale=reader.locale)
    return f"{day_text(local.date(), near=True)}, {hour}"


def day_text(day: dt.date, *, near: bool = False) -> str:
    """A calendar day; `near` leaves the year away when it is this one."""
    reader = preferences.current()
    if near and day.year == clock.now().astimezone(reader.tzinfo).year:
        return str(format_skeleton("MMMd", _noon(day), locale=reader.locale))
    return str(format_date(day, "medium", locale=reader.locale))


def _noon(day: dt.date) -> dt.datetime:
    return dt.datetime(day.year, day.month, day.day, 12, tzinfo=dt.UTC)


_MONTHS = (
    "January", "February", "March", "April", "May", "June", "July", "August", "September", "October", "November",
    "December",
)  # fmt: skip
# What sentences are kept with, in one form: an amount (Money.__str__: code, then digits grouped by commas, the
# currency's decimals), a day or an instant, a month, how many of something, a part of a hundred.
_WRITTEN = re.compile(
    r"(?<![\w-])(?P<code>[A-Z]{3}) (?P<sign>-?)(?P<whole>\d{1,3}(?:,\d{3})*)(?:\.(?P<fraction>\d+))?(?![\w]|[.,]\d)"
    r"|(?<![\w-])(?P<day>\d{4}-\d{2}-\d{2})(?: (?P<time>\d{2}:\d{2}) UTC)?(?![\w-])"
    rf"|(?<![\w-])(?P<month>{'|'.join(_MONTHS)}) (?P<year>\d{{4}})(?![\w-])"
    r"|(?<![\w.,-])(?P<count>\d{1,3}(?:,\d{3})+)(?= [a-z]|\+)"
    r"|(?<![\w.,-])(?P<percent>\d+\.\d+)(?= ?%)"
)


def _rewritten(found: re.Match[str]) -> str:
    given = found.groupdict()
    if code := given["code"]:
        fraction = given["fraction"] or ""
        minor = int(f"{given['sign']}{given['whole'].replace(',', '')}{fraction}")
        return f"{code} {amount_text(minor, code)}" if EXPONENTS.get(code) == len(fraction) else found[0]
    if given["month"]:
        first = dt.date(int(given["year"]), _MONTHS.index(given["month"]) + 1, 1)
        return str(format_skeleton("yMMMM", _noon(first), locale=preferences.current().locale))
    if given["count"]:
        return number(int(given["count"].replace(",", "")))
    if given["percent"]:
        return quantity(given["percent"])
    if given["time"]:
        return instant_text(dt.datetime.fromisoformat(f"{given['day']}T{given['time']}+00:00"))
    return day_text(dt.date.fromisoformat(given["day"]))


def dates(text: str) -> str:
    """A sentence that was kept with its days, months, amounts and counts in one form, as the reader writes and lives
    them."""

    def written(found: re.Match[str]) -> str:
        try:
            return _rewritten(found)
        except ValueError:
            return found[0]

    return _WRITTEN.sub(written, text)


def period_text(period: Any) -> str:
    """ "2026-10" → "Oct 2026" in the reader's words; anything else as it is."""
    try:
        year, month = (int(part) for part in str(period).split("-"))
        first = dt.date(year, month, 1)
    except ValueError:
        return str(period)
    return str(format_skeleton("yMMM", _noon(first), locale=preferences.current().locale))


def span_text(seconds: float) -> str:
    """A length of time in its one or two largest units: "40 s", "12 min", "3 h", "2 d 4 h"."""
    total = int(abs(seconds))
    if total < 60:
        return f"{total} s"
    if total < 3600:
        return f"{total // 60} min"
    if total < 86_400:
        return f"{total // 3600} h"
    days, hours = total // 86_400, total % 86_400 // 3600
    return f"{days} d" if days >= 10 or not hours else f"{days} d {hours} h"


def time_tag(instant: Any, text: str, kind: str = "") -> SafeString:
    """<time> with the machine's form, and UTC on hover."""
    utc = _utc(instant)
    return format_html(
        '<time{} datetime="{}" title="{} UTC">{}</time>',
        format_html(' class="{}"', kind) if kind else "",
        utc.strftime("%Y-%m-%dT%H:%M:%SZ"),
        utc.strftime("%Y-%m-%d %H:%M:%S"),
        text,
    )


def when(instant: Any, style: str = "short") -> SafeString:
    """An instant, or a calendar day, or a dash."""
    if not instant:
        return NOTHING
    if not isinstance(instant, dt.datetime):
        return format_html('<time datetime="{}">{}</time>', instant.isoformat(), day_text(instant))
    if style == "age":
        return age(instant)
    return time_tag(instant, instant_text(instant, style))


def age(instant: dt.datetime | None) -> SafeString:
    """How long ago: "3 h"; what lies ahead says "in 3 h". The whole instant on hover."""
    if not instant:
        return NOTHING
    past = (clock.now() - instant).total_seconds()
    text = span_text(past)
    return time_tag(instant, text if past >= 0 else f"in {text}", "age")
