"""Why a posted entry is what it is: told by what was booked, and beside it what has become another since."""

from __future__ import annotations

import datetime as dt
import html
from typing import Any

import pytest
from django.db import DatabaseError, connection

from ledger import booking, rules
from ledger.models import JournalEntry, PostingRule
from q2c.models import ItemMapping, Product
from q2c.reading import why
from q2c.stages import terms_of_lines
from tests import flow_makers as make
from tests.ui.people import boss, page

pytestmark = pytest.mark.django_db

USAGE = terms_of_lines.Terms("usage_as_billed", "usage")
RULE = "invoice deferred, ratable_monthly v1"


@pytest.fixture
def entry(db: None) -> JournalEntry:
    make.company()
    make.through("O-1", "INV-1")
    return JournalEntry.objects.get()


@pytest.fixture
def rosa(client: Any) -> Any:
    user = boss()
    client.force_login(user)
    return user


def seen(client: Any, entry: JournalEntry) -> str:
    return html.unescape(page(client, f"/journals/{entry.id}/explain"))


def winners(told: why.Why) -> dict[tuple[int, str], str]:
    return {(choice.line, choice.leg): choice.winner for choice in told.choices}


def test_what_its_rules_matched_on_is_kept_and_frozen(entry: JournalEntry) -> None:
    platform, fee = entry.matched
    assert (platform["lines"], platform["product"], platform["product_line"], platform["revenue_treatment"]) == (
        [1], "PLATFORM", "subscription", "ratable_monthly"
    )  # fmt: skip
    assert platform["dimensions"] == {"cost_center": "CC-410"} and fee["product"] == "ONBOARDING"
    assert platform["won"]["revenue"] == PostingRule.objects.get(name="invoice deferred, ratable_monthly").id
    with pytest.raises(DatabaseError, match="is frozen"), connection.cursor() as cursor:
        cursor.execute("UPDATE ledger_journalentry SET matched = '[]' WHERE id = %s", [entry.id])


def test_a_product_that_changed_since_contradicts_no_posted_entry(client: Any, rosa: Any, entry: JournalEntry) -> None:
    Product.objects.filter(code="PLATFORM").update(revenue_treatment="usage_as_billed", product_line="usage")
    told = why.explain(rosa, entry.id)
    assert told is not None and told.kept and winners(told)[1, "revenue"] == RULE
    assert {line.rule_line.rule.name for line in entry.lines.all() if line.rule_line} >= {RULE.removesuffix(" v1")}
    assert told.since == (
        "Product PLATFORM has revenue treatment usage as billed today, for new orders; here it is ratable monthly, as it "
        "was sold",
        "Product PLATFORM has product line usage today, for new orders; here it is subscription, as it was sold",
    )
    text = seen(client, entry)
    assert "by what they matched on as it was booked" in text and told.since[0] in text
    assert "wants revenue treatment usage_as_billed, the fact has ratable_monthly" in text


def test_a_rule_or_an_item_mapping_that_changed_since_is_told_beside_it(
    client: Any, rosa: Any, entry: JournalEntry
) -> None:
    rule = PostingRule.objects.get(name="invoice deferred, ratable_monthly")
    rules.revise(rule, rule.effective_from)
    for mapping in ItemMapping.objects.filter(product__code="PLATFORM"):
        mapping.dimensions = {"cost_center": "CC-300"}
        mapping.save()
    told = why.explain(rosa, entry.id)
    assert told is not None and winners(told)[1, "revenue"] == RULE
    (changed,) = [choice for choice in told.choices if choice.today]
    assert (changed.line, changed.leg, changed.today) == (1, "revenue", RULE.replace("v1", "v2"))
    assert told.since == (
        f"Line 1, revenue: booked by {RULE}, {RULE.replace('v1', 'v2')} would win today",
        "Line 1: booked with cost centre CC-410, its order and item mapping say CC-300 today",
    )
    text = seen(client, entry)
    assert "Changed since it was booked" in text and all(said in text for said in told.since)
    assert f"Today it is not in force on {entry.effective_on}" in text


def test_what_was_booked_before_it_was_kept_says_so(client: Any, rosa: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """Booked as once, on the product of its day; its order says otherwise."""
    draft = booking.draft

    def keeps_nothing(*given: Any) -> Any:
        made = draft(*given)
        made.header.matched = []
        return made

    with monkeypatch.context() as once:
        once.setattr(booking, "draft", keeps_nothing)
        once.setattr(terms_of_lines, "of_lines", lambda invoice, order: [USAGE for _ in invoice.lines])
        make.company()
        make.through("O-1", "INV-1")
    entry = JournalEntry.objects.get()
    told = why.explain(rosa, entry.id)
    assert told is not None and not told.kept and winners(told)[1, "revenue"] == RULE
    assert told.since == (
        "Booked by invoice receivable v1, invoice usage v1 and invoice tax v1; by its order and the rules of today it "
        "would be by invoice receivable v1, invoice deferred, ratable_monthly v1, invoice deferred, point_in_time v1 and "
        "invoice tax v1",
    )
    text = seen(client, entry)
    assert "It was booked before what rules matched on was kept" in text and told.since[0] in text


def test_the_day_of_the_entry_is_that_of_its_rules(rosa: Any, entry: JournalEntry) -> None:
    """A version from tomorrow on changes nothing that is booked."""
    rule = PostingRule.objects.get(name="invoice deferred, ratable_monthly")
    rules.revise(rule, entry.effective_on + dt.timedelta(days=1))
    told = why.explain(rosa, entry.id)
    assert told is not None and told.since == ()
