"""Billing gives a number to another document, and another system tells of the same numbers: each month ties out, also
while a version waits for its worker, and what is told is what billing has less the books.

Billing has a number once: who told of an invoice that is booked does not matter as long as it has that number. Billing
tells b-1 and b-2 of ORD-1, EUR 1,390.00 each, `shop` tells by the API; October 2026, DE01.
"""

from __future__ import annotations

from dataclasses import replace as replace_of
from typing import Any

import pytest
from msgspec.structs import replace

from exceptions.models import Case
from ledger.models import JournalEntry
from q2c.engine.sources import Invoices
from q2c.models import Step
from q2c.reading import given_up, unbooked, unread
from q2c.stages import in_billing
from tests.stages.test_billing_told_second import DEARER, OCT, told
from tests.stages.test_cancelled_elsewhere import GONE, POSTED, billing, gives, shop_tells, stand, to_do, works
from tests.stages.test_counted_once import TWENTIETH, boss
from tests.stages.test_in_any_order import in_one_transaction, left, play
from tests.stages.test_reversals import _reverse

pytestmark = pytest.mark.django_db
__all__ = ["billing", "boss", "in_one_transaction"]
STORIES = {
    "what the other system tells under a number that its document has no more": [
        "shop tells renumbered", "billing has b-2 dearer", "billing has b-2 renumbered", "shop tells sound", "give up",
    ],
    "reversed, and billing has its number on what is booked under another": [
        "shop tells renumbered", "reverse in October", "billing has b-2 dearer", "billing has b-2 renumbered",
        "billing takes b-2 back",
    ],
    "its number goes to a second document of billing": [
        "billing has b-1 wrong", "shop tells sound", "billing has b-1 renumbered", "billing has b-2 sound", "give up",
    ],
    "its number goes to a second document, which is taken back": [
        "shop tells sound", "billing has b-1 sound", "billing has b-1 renumbered", "billing has b-2 sound",
        "billing takes b-2 back",
    ],
    "its number goes to a second document that says something else": [
        "shop tells sound", "billing has b-2 wrong", "billing has b-2 renumbered", "billing has b-1 wrong", "give up",
        "give up",
    ],
    "its number goes to a second document, and its journal is reversed": [
        "shop tells sound", "billing has b-2 sound", "billing has b-2 renumbered", "reverse in October",
        "billing has b-1 wrong",
    ],
    "reversed, and told again under the number that billing gave it": [
        "shop tells sound", "billing has b-1 sound", "reverse in October", "billing has b-1 renumbered",
        "shop tells renumbered",
    ],
}  # fmt: skip


@pytest.mark.parametrize("story", STORIES)
def test_it_adds_up_after_each_act(company: Any, boss: Any, story: str) -> None:
    play(company, STORIES[story], boss)


def told_of(user: Any) -> list[tuple[str, int | None]]:
    """What is told of October, by number."""
    month = ("DE01", "2026-10")
    sums = given_up.by_month(user, [month]).get(month)
    rows = [(one.number, one.amount_minor) for kind in sums.kinds for one in sums.found[kind]] if sums else []
    came = unbooked.came(Step.objects.filter(period="2026-10", entity="DE01"), unread.instead(user))
    return sorted([*rows, *came.values_list("business_key", "amount_minor")])


@pytest.mark.parametrize("now", [POSTED, replace(DEARER, billing_reference="b-INV-1")], ids=["the same", "dearer"])
def test_it_ties_out_while_billings_word_of_what_another_told_first_waits_for_its_worker(
    billing: Invoices, boss: Any, now: Any
) -> None:
    shop_tells()
    billing.take_fetched("b-INV-1", now)
    assert Step.objects.filter(state="waiting").exists() and left(boss) == []
    works()
    assert left(boss) == []


def test_the_document_that_has_its_number_is_what_is_booked_and_the_other_is_still_to_be_booked(
    billing: Invoices, boss: Any
) -> None:
    shop_tells()
    gives(billing, POSTED)
    gives(billing, replace(POSTED, invoice_number="INV-9"))
    assert told(boss) == {} and to_do() == ["invoice_changed"]
    gives(billing, replace(POSTED, billing_reference="b-2"), "b-2")
    assert told_of(boss) == [("INV-9", 139_000)] and to_do() == ["invoice_changed"]
    (invoice,) = in_billing.known(["invoice:billing:b-2", "invoice:billing:b-INV-1"]).values()
    assert in_billing.documents_of([invoice]) == {invoice.id: "invoice:billing:b-2"}


def test_booked_and_renumbered_it_is_compared_with_what_is_booked_of_it_though_its_number_was_told_by_another(
    billing: Invoices, boss: Any
) -> None:
    shop_tells(replace(POSTED, invoice_number="INV-9", billing_reference="other-9"))
    _reverse(JournalEntry.objects.get(), on=TWENTIETH)
    gives(billing, replace(DEARER, billing_reference="b-2"), "b-2")
    assert stand() == [("billing", "posted"), ("shop", "posted")] and told(boss) == {OCT: 139_000}
    gives(billing, replace(POSTED, invoice_number="INV-9", billing_reference="b-2"), "b-2")
    assert told_of(boss) == [("INV-1", -10_000)]
    stuck = Case.objects.get(state="open")
    assert stuck.text.startswith(
        "Document b-2 of billing is booked as invoice INV-1, and was changed in billing since: "
    )
    # Taken back there, nothing is owed of either.
    gives(billing, replace_of(GONE, about=replace_of(GONE.about, reference="b-2", number="INV-9")), "b-2")
    assert told_of(boss) == [("INV-1", -149_000)]


def test_what_another_tells_under_a_number_that_its_document_has_no_more_is_its_own(
    billing: Invoices, boss: Any
) -> None:
    shop_tells(replace(POSTED, invoice_number="INV-9", billing_reference="other-9"))
    gives(billing, replace(DEARER, billing_reference="b-2"), "b-2")
    gives(billing, replace(POSTED, invoice_number="INV-9", billing_reference="b-2"), "b-2")
    assert told(boss) == {}
    shop_tells()
    assert told_of(boss) == [("INV-1", 139_000)] and left(boss) == []
