"""The ERP holds our journal, but not as we sent it: whatever changes here meanwhile, it never gets a second one.

9 Mar 2026, 10:00   A day of training is billed; the journal is sent, and the answer is lost.
            10:01   It is found in NetSuite: somebody has edited it, or it waits for approval there. A case.
            12:00   The item's cost centre is changed. NetSuite is put right. The case is replayed.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence
from typing import Any

import pytest

from ledger.models import JournalEntry
from q2c.demo import flow
from q2c.demo.company import ERP
from q2c.demo.deals import Deal, Line
from q2c.engine import replay, run
from q2c.models import ItemMapping, Step
from tests.scenarios.conftest import LEEDS, Story, entry

pytestmark = pytest.mark.django_db(transaction=True)

TEN = dt.datetime(2026, 3, 9, 10, tzinfo=dt.UTC)
TWELVE = TEN + dt.timedelta(hours=2)
EDITED = ({"tranDate": "2026-03-10"}, {"tranDate": "2026-03-09"})
NOT_APPROVED = ({"approvalStatus": {"id": "1"}}, {"approvalStatus": {"id": "2"}})


@pytest.fixture
def number(story: Story, monkeypatch: pytest.MonkeyPatch) -> str:
    """The invoice whose journal is in NetSuite; its answer was lost."""
    # Posting is done by hand here, so that NetSuite can change between the send and the look-up.
    monkeypatch.setattr(flow, "STAGES", {name: one for name, one in flow.STAGES.items() if name != "post_journal"})
    training = Deal(
        number="SO-3101", customer=LEEDS, closed_on=TEN.date(), starts_on=TEN.date(), months=12, contract_entity="UK",
        currency="GBP", groups={"UK": LEEDS}, lines=[Line(product="TRAINING", group="UK", quantity=1)],
    )  # fmt: skip
    with story.flow.at(TEN):
        story.close(training)
        (billed,) = story.bill()
        story.platforms.fault(ERP, "drop_after", "create_journal", times=1)
        run.run_stage("post_journal")
    assert step().state == "unknown"
    return billed


def step() -> Step:
    return Step.objects.get(stage="post_journal")


def goes_on(story: Story, since: dt.datetime, minutes: Sequence[int] = range(1, 15)) -> None:
    for minute in minutes:
        with story.flow.at(since + dt.timedelta(minutes=minute)):
            run.drain("post_journal")


def in_netsuite(story: Story, **fields: Any) -> None:
    (document,) = story.documents()
    story.platforms.change(ERP, "journalEntry", document["number"], **fields)


def replayed(story: Story, at: dt.datetime) -> Step:
    with story.flow.at(at):
        assert replay.replay([step().id], "ann") == [step().id]
    goes_on(story, at)
    return step()


@pytest.mark.parametrize(("away", "back"), [EDITED, NOT_APPROVED], ids=["edited", "pending approval"])
def test_what_netsuite_holds_is_never_derived_anew(
    story: Story, number: str, away: dict[str, Any], back: dict[str, Any]
) -> None:
    in_netsuite(story, **away)
    goes_on(story, TEN)
    stuck = step()
    assert (stuck.state, stuck.reason) == ("failed", "content_differs")
    ItemMapping.objects.filter(product__code="TRAINING").update(dimensions={"cost_center": "CC-410"})

    # Nobody has put it right yet: the same case again, and nothing is sent.
    again = replayed(story, TWELVE)
    assert (again.state, again.reason, len(story.documents())) == ("failed", "content_differs", 1)

    in_netsuite(story, **back)
    done = replayed(story, TWELVE + dt.timedelta(hours=1))
    (document,) = story.documents()
    assert (done.state, done.document) == ("done", entry(number).document_number)
    assert entry(number).state == "posted" and entry(number).number in str(document["body"])
    assert JournalEntry.objects.count() == 1
