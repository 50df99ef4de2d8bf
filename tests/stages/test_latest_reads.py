"""Which read of a document counts is told by the order in which reads began and were taken in, not by any clock."""

from __future__ import annotations

import datetime as dt
from typing import Any

import pytest

from q2c import clock, keys
from q2c.connectors.outcomes import About, Rejected
from q2c.connectors.ports import NOT_POSTED, InvoiceNotice
from q2c.engine import callouts
from q2c.engine.reads import Again
from q2c.engine.sources import FETCHERS_MAX, Invoices
from q2c.models import Callout, Event, LatestRead, Step, latest_read
from q2c.reasons import Reason
from tests.engine.makers import NOW, order
from tests.intake import platforms
from tests.stages.test_invoice_versions import RENUMBERED, SOUND, WRONG

pytestmark = pytest.mark.django_db
CANCELED = Rejected(
    reason=Reason.INVOICE_MISMATCH, text="it is Canceled", field=NOT_POSTED, about=About(reference="b-1")
)  # fmt: skip


@pytest.fixture
def billing(company: Any) -> Invoices:
    order()
    return Invoices(platforms.zuora())


def waiting() -> list[str]:
    """Accounts that the versions which go on name."""
    steps = Step.objects.filter(stage="record_invoice", state="waiting")
    return ["sound" if SOUND.account in step.event.payload else "wrong" for step in steps.select_related("event")]


def polled(billing: Invoices, document: Any, at: dt.datetime) -> None:
    billing.fetch = lambda references: [document for _ in references]  # type: ignore[method-assign]
    billing.take([InvoiceNotice(reference="b-1", invoice_number="INV-1", changed_at=at)])


def test_of_two_reads_that_meet_the_one_that_may_be_older_is_read_again(billing: Invoices) -> None:
    first, second = LatestRead.begin(), LatestRead.begin()
    assert billing.take_fetched("b-1", SOUND, second) == "taken in"
    assert isinstance(billing.take_fetched("b-1", WRONG, first), Again)
    assert isinstance(billing.take_fetched("b-1", CANCELED, first), Again)
    assert billing.take_fetched("b-1", SOUND, first) == "known already", "what says the same needs no other look"
    assert waiting() == ["sound"] and Event.objects.filter(type="InvoiceIssued").count() == 1
    assert billing.take_fetched("b-1", WRONG, LatestRead.begin()) == "taken in"
    assert waiting() == ["wrong"]


@pytest.mark.parametrize("name", ["b-1", "INV-1"])
def test_a_document_is_one_by_whatever_name_it_was_asked_for(billing: Invoices, name: str) -> None:
    began = LatestRead.begin()
    billing.take_fetched("b-1", CANCELED)
    assert isinstance(billing.take_fetched(name, SOUND, began), Again)
    assert not Event.objects.filter(type="InvoiceIssued").exists()
    assert LatestRead.objects.get().reference == "b-1"


@pytest.mark.parametrize("again", [SOUND, RENUMBERED], ids=["as it was first", "otherwise"])
def test_what_is_read_later_is_newer_whatever_its_stamp(billing: Invoices, again: Any) -> None:
    """A callout says no stamp; and billing's clock goes back by an hour each autumn."""
    with clock.at(NOW):
        billing.take_fetched("b-1", SOUND)
    with clock.at(NOW + dt.timedelta(minutes=5)):
        billing.take_fetched("b-1", WRONG)
        polled(billing, WRONG, NOW - dt.timedelta(minutes=55))
        assert waiting() == ["wrong"]
        polled(billing, again, NOW - dt.timedelta(minutes=50))
    assert waiting() == ["sound"]


def test_what_a_poll_read_too_early_is_called_out_and_not_marked(billing: Invoices) -> None:
    def fetch(references: Any) -> list[Any]:
        billing.take_fetched("b-1", SOUND)
        return [WRONG for _ in references]

    billing.fetch = fetch  # type: ignore[method-assign]
    with clock.at(NOW):
        billing.take([InvoiceNotice(reference="b-1", invoice_number="INV-1", changed_at=NOW)])
        assert Callout.objects.get().reference == "b-1" and waiting() == ["sound"]
        polled(billing, WRONG, NOW)
    assert waiting() == ["wrong"], "not marked as fetched, or no poll looked at it any more"


def test_what_was_fetched_is_taken_in_before_the_last_of_many_has_come(
    billing: Invoices, monkeypatch: pytest.MonkeyPatch
) -> None:
    there: list[int] = []

    def fetch(_: Invoices, references: list[str]) -> list[Any]:
        there.append(Callout.objects.exclude(done_at=None).count())
        return [CANCELED for _ in references]

    monkeypatch.setattr(Invoices, "fetch", fetch)
    Callout.remember("billing", [f"b-{n}" for n in range(2 * FETCHERS_MAX + 1)], keys.new_id())
    assert callouts.fetch_called_out() == 2 * FETCHERS_MAX + 1
    assert there == [0, FETCHERS_MAX, 2 * FETCHERS_MAX]


def minutes(n: float) -> dt.datetime:
    return NOW + dt.timedelta(minutes=n)


def test_what_comes_back_again_and_again_is_a_fact_each_time_though_billings_clock_went_back(billing: Invoices) -> None:
    """Within the hour that comes twice it is unposted and posted twice, with stamps behind the first one's."""
    with clock.at(minutes(120)):
        for document, at, left in (
            (SOUND, 59, ["sound"]), (CANCELED, 5, []), (SOUND, 10, ["sound"]), (CANCELED, 15, []), (SOUND, 20, ["sound"]),
        ):  # fmt: skip
            polled(billing, document, minutes(at))
            assert waiting() == left, at


def test_versions_that_alternate_behind_our_clock_end_with_the_last_one_read(billing: Invoices) -> None:
    with clock.at(NOW):
        billing.take_fetched("b-1", SOUND)
    with clock.at(minutes(4)):
        for document, at in ((WRONG, -4), (SOUND, -3.5), (WRONG, -2), (SOUND, -1), (WRONG, -0.5)):
            polled(billing, document, minutes(at))
            assert waiting() == ["sound" if document is SOUND else "wrong"], at


def test_rows_that_were_copied_without_their_sequence_hold_up_no_change(billing: Invoices) -> None:
    with clock.at(NOW):
        billing.take_fetched("b-1", SOUND)
    LatestRead.objects.update(taken=10**9)
    with clock.at(minutes(60)):
        assert not isinstance(billing.take_fetched("b-1", CANCELED), Again)
        assert waiting() == []


def test_a_row_that_is_forgotten_as_it_is_held_is_made_anew(billing: Invoices, monkeypatch: Any) -> None:
    asked, true = [], latest_read.bulk.execute

    def execute(sql: str, values: Any) -> Any:
        rows = true(sql, values)
        asked.append(sql)
        return [] if sql == latest_read._HELD and asked.count(sql) == 1 else rows

    monkeypatch.setattr(latest_read.bulk, "execute", execute)
    assert set(LatestRead.hold("zuora", ["b-1"])) == {"b-1"}
    assert asked.count(latest_read._HELD) == 2
