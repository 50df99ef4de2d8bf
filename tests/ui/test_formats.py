"""Numbers, amounts and times as the reader writes them."""

from __future__ import annotations

import datetime as dt
from contextlib import contextmanager

import pytest

from q2c import clock
from q2c.money import Money
from q2c.ui import formats, preferences

NOON = dt.datetime(2026, 11, 23, 12, 0, tzinfo=dt.UTC)


@contextmanager
def reader(language: str = "en", zone: str = "UTC"):
    token = preferences._current.set(preferences.Preferences(language, zone))
    try:
        yield
    finally:
        preferences._current.reset(token)


@pytest.mark.parametrize(
    ("language", "minor", "currency", "text"),
    [
        ("en", 123456789, "EUR", "1,234,567.89"),
        ("en-gb", 123456789, "GBP", "1,234,567.89"),
        ("de", 123456789, "EUR", "1.234.567,89"),
        ("ja", 3400000, "JPY", "3,400,000"),
        ("en", 1250750, "KWD", "1,250.750"),
        ("de", -1250750, "KWD", "−1.250,750"),
        ("en", -5, "USD", "−0.05"),
        ("en", 0, "JPY", "0"),
        ("en", 10**17, "USD", "1,000,000,000,000,000.00"),
    ],
)
def test_an_amount_has_its_currencys_decimals_and_its_readers_signs(language, minor, currency, text):
    with reader(language):
        assert formats.amount_text(minor, currency) == text


@pytest.mark.parametrize(
    ("minor", "text"), [(99_999, "1,000"), (123_456, "1.2k"), (123_456_789, "1.2m"), (-123_456_789_012, "−1.2bn")]
)
def test_the_short_form_keeps_two_figures(minor, text):
    assert formats.amount_text(minor, "USD", short=True) == text


def test_money_carries_the_exact_value_for_machines_and_hover():
    html = formats.money(Money(123_456_789, "EUR"), short=True)
    assert 'value="1234567.89"' in html and 'title="1,234,567.89 EUR"' in html
    assert formats.money(None) == formats.NOTHING
    assert (
        formats.money((-500, "USD")) == formats.money(-500, "USD") == formats.money({"minor": -500, "currency": "USD"})
    )
    assert 'class="money negative"' in formats.money(-500, "USD")
    assert "+5" in formats.money(500, "USD", sign=True)


def test_a_currency_code_from_outside_is_escaped():
    assert "<b>" not in formats.money(100, "<b>")


@pytest.mark.parametrize(
    ("language", "zone", "style", "text"),
    [
        ("en", "America/New_York", "short", "Nov 23, 7:00 AM"),
        ("en-gb", "Europe/London", "short", "23 Nov, 12:00"),
        ("de", "Europe/Berlin", "short", "23. Nov., 13:00"),
        ("ja", "Asia/Tokyo", "day", "2026/11/23"),
        ("de", "Europe/Berlin", "full", "23.11.2026, 13:00:00 CET"),
    ],
)
def test_an_instant_is_told_in_the_readers_zone(language, zone, style, text):
    with clock.at(NOON), reader(language, zone):
        assert formats.instant_text(NOON, style).replace("\u202f", " ") == text


def test_an_instant_shows_utc_on_hover():
    with clock.at(NOON), reader("de", "Asia/Tokyo"):
        html = formats.when(NOON)
    assert 'datetime="2026-11-23T12:00:00Z"' in html and 'title="2026-11-23 12:00:00 UTC"' in html


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (0, "0 s"),
        (59, "59 s"),
        (60, "1 min"),
        (3599, "59 min"),
        (3 * 3600, "3 h"),
        (100_000, "1 d 3 h"),
        (86_400, "1 d"),
        (950_400, "11 d"),
    ],
)
def test_a_span_is_told_in_its_largest_units(seconds, text):
    assert formats.span_text(seconds) == formats.span_text(-seconds) == text


@pytest.mark.parametrize(("period", "text"), [("2026-10", "Oct 2026"), ("2026-13", "2026-13"), ("FY26", "FY26")])
def test_a_period_is_told_in_words_where_it_is_a_month(period, text):
    assert formats.period_text(period) == text


def test_every_language_of_the_settings_has_its_formats(settings):
    for code, _ in settings.LANGUAGES:
        with reader(code):
            assert formats.number(1234)


@pytest.mark.parametrize(
    ("value", "currency", "text"),
    [("19.5", "USD", "19.50"), ("38.00000000", "EUR", "38.00"), ("38", "JPY", "38"), ("0.00125", "EUR", "0.00125")],
)
def test_a_price_has_the_decimals_of_its_currency_and_what_it_has_beyond(value, currency, text):
    with reader():
        assert formats.price(value, currency) == text
    with reader("de"):
        assert formats.price(value, currency) == text.replace(".", ",")


def test_days_and_instants_of_a_kept_sentence_are_the_readers():
    with clock.at(NOON), reader("de", "Europe/Berlin"):
        assert formats.dates("booked on 2026-12-01, not INV-2026-12-01 or 2026-13-01") == (
            "booked on 01.12.2026, not INV-2026-12-01 or 2026-13-01"
        )
        told = formats.dates("until 2026-11-26 21:35 UTC: bank holiday")
    assert "22:35: bank holiday" in told and "UTC" not in told


def test_a_quantity_has_its_separators_and_every_decimal_that_was_counted() -> None:
    said = {"556009": "556,009", "2.50": "2.5", "0.00045": "0.00045", "-3": "−3", "1": "1"}
    assert {given: formats.quantity(given) for given in said} == said


@pytest.mark.parametrize(
    ("kept", "shown"),
    [
        ("would owe CAD 96,000.00 by 2026-11-24", "would owe CAD 96.000,00 by 24.11.2026"),
        ("EUR -1,234.50, JPY 1,200 and KWD 3.250", "EUR −1.234,50, JPY 1.200 and KWD 3,250"),
        ("of USD 0.05.", "of USD 0,05."),
        # What is no amount of ours stays as it is: no currency, other decimals, no groups, part of a word.
        ("XYZ 1,234.50", "XYZ 1,234.50"),
        ("JPY 12.50", "JPY 12.50"),
        ("EUR 1234.50", "EUR 1234.50"),
        ("EUR 1,234", "EUR 1,234"),
        ("EUR 1,234.505", "EUR 1,234.505"),
        ("INV-EUR 12.00", "INV-EUR 12.00"),
        ("EUR 12.00x", "EUR 12.00x"),
        # How many of something, months and parts of a hundred too; numbers of documents never.
        ("1,204 journals wait, 1,000+ in all", "1.204 journals wait, 1.000+ in all"),
        ("receivables of UK, July 2026 is open again", "receivables of UK, Juli 2026 is open again"),
        ("Line 1 gives 12.5 % discount", "Line 1 gives 12,5 % discount"),
        ("Nov 2026, SO-1,204 and version 1.25", "Nov 2026, SO-1,204 and version 1.25"),
    ],
)
def test_amounts_in_kept_sentences_are_written_as_the_reader_writes_them(kept, shown):
    with reader("de"):
        assert formats.dates(kept) == shown
    if "−" not in shown and "20" not in shown:
        assert formats.dates(kept) == kept
