"""The admin in the reader's formats: phrases are English, dates, amounts and numbers are as the pages write them."""

from __future__ import annotations

import datetime as dt
import html
import re

import pytest
from django.conf import settings
from django.urls import reverse
from django.utils import formats as django_formats
from django.utils import translation

from ledger.models import JournalEntry
from q2c.models import ItemMapping
from q2c.ui import formats, preferences

pytestmark = pytest.mark.django_db


def words(client, model, language, page="changelist", *args):
    client.cookies[settings.LANGUAGE_COOKIE_NAME] = language
    address = reverse(f"admin:{model._meta.app_label}_{model._meta.model_name}_{page}", args=args)
    found = client.get(address)
    assert found.status_code == 200
    return html.unescape(re.sub(r"<[^>]+>", " ", found.content.decode()))


@pytest.mark.parametrize("language", ["de", "ja", "en-gb"])
def test_phrases_are_english_whatever_the_format(browser, busy, language):
    text = words(browser(), ItemMapping, language)
    assert "Select item mapping to change" in text and "Add item mapping" in text and "By connection" in text
    assert "Hinzufügen" not in text and "ausgewählt" not in text and "追加" not in text


@pytest.mark.parametrize(("language", "amount"), [("de", "EUR 1.190,00"), ("en", "EUR 1,190.00")])
def test_a_journal_has_its_amounts_and_its_days_in_one_format(browser, busy, language, amount):
    entry = JournalEntry.objects.filter(state="posted").get()
    text = words(browser(), JournalEntry, language, "change", entry.pk)
    with_day = preferences.Preferences(language=language)
    token = preferences._current.set(with_day)
    try:
        day, at = formats.day_text(entry.effective_on), formats.instant_text(entry.posted_at, "full")
    finally:
        preferences._current.reset(token)
    assert amount in text and day in text, "as the pages write them"
    assert "Nov. " not in text and "November" not in text and (language == "en" or "PM" not in text), at


@pytest.mark.parametrize("language", [code for code, _ in settings.LANGUAGES])
def test_days_that_django_writes_are_those_of_the_pages(language):
    token = preferences._current.set(preferences.Preferences(language=language))
    try:
        with translation.override(preferences.ENGLISH[language]):
            # "Sept" in British English there, "Sep" here.
            for month in (1, 2, 3, 4, 5, 6, 7, 8, 10, 11, 12):
                day = dt.date(2026, month, 20)
                assert django_formats.localize(day) == formats.day_text(day)
    finally:
        preferences._current.reset(token)
