"""The German entity keeps its books in a real Tryton. What happens to its journals there, told with dates.

2 Mar 2026   A training is sold, billed, and posted in Tryton.
2 Apr        A month that the bookkeeper closed refuses one; she opens it again, and the journal in it.
             A cost centre that she switched off refuses another before it is sent.
9 Mar        Tryton takes a move and the answer is lost: before it was made, after, while it is posted, or long after.
"""

from __future__ import annotations

import datetime as dt
from typing import Any

import pytest

from exceptions.models import Case, Offer
from ledger.models import LegalEntity
from q2c.connectors import registry
from q2c.demo import catalogue, people
from q2c.demo.deals import Deal, Line
from q2c.engine import desk, run, watch
from q2c.models import Connection, Invoice, Product, Step, Transition
from tests.connectors.tryton import erp
from tests.scenarios.conftest import HARBOR_DE, Story, entry, the_case

pytestmark = pytest.mark.django_db(transaction=True)
TRYTON = "tryton"


@pytest.fixture
def tern(story: Story) -> Story:
    """Tern Systems, with the German company in Tryton, where nothing is booked yet."""
    server = erp.tryton()
    erp.as_new()
    story.platforms.seed(TRYTON, {"upstream": server.url()})
    Connection.objects.create(
        name=TRYTON, title="Tryton of Tern Systems GmbH", vendor="tryton", service="journals",
        base_url="sandbox://tryton", credentials={"key": server.made()["key"]}, concurrency=1, settle_s=30,
    )  # fmt: skip
    LegalEntity.objects.filter(code="DE").update(erp_connection=TRYTON)
    for product in Product.objects.all():
        mapping = catalogue.mapping(product, dt.date(2025, 1, 1))
        mapping.connection = TRYTON
        mapping.save()
    registry.close_all()
    return story


def training(number: str, day: str, product: str = "TRAINING", quantity: int = 1) -> Deal:
    closed = dt.date.fromisoformat(day)
    return Deal(
        number=number, customer=HARBOR_DE, closed_on=closed, starts_on=closed, months=12, contract_entity="DE",
        currency="EUR", groups={"DE": HARBOR_DE}, lines=[Line(product=product, group="DE", quantity=quantity)],
    )  # fmt: skip


def there() -> list[tuple[Any, ...]]:
    """(number, date, receivable) of each posted move, and of drafts without a number."""
    return erp.sql(
        "SELECT m.number, m.date, sum(l.debit) FROM account_move m JOIN account_move_line l ON l.move = m.id "
        "JOIN account_account a ON a.id = l.account WHERE a.code = '1100' GROUP BY m.id, m.number, m.date ORDER BY m.id"
    )


def replayed(story: Story, who: str, case: Case) -> None:
    """The offer for the case's blocker: dry-run, read, sent; the case ends with its document."""
    watch.watch_blockers()
    offer = Offer.objects.get(state="open", blocker_type=case.blocker_type, blocker_key=case.blocker_key)
    batch = desk.take_offer(people.user(who), offer.id)
    assert batch.items.get().preview["passes"] is True
    desk.send(people.user(who), batch.id)
    story.flow.work()
    case.refresh_from_db()
    assert (case.state, case.resolution) == ("resolved", "fixed_by_replay")


def test_an_invoice_becomes_a_posted_move(tern: Story) -> None:
    with tern.on("2026-03-02"):
        tern.close(training("SO-7001", "2026-03-02"))
        (number,) = tern.bill()
    journal = entry(number)
    assert (journal.state, Invoice.objects.get().state) == ("posted", "posted")
    ((document, date, gross),) = there()
    assert (document, date) == (journal.document_number, dt.date(2026, 3, 2))
    assert int(gross * 100) == Invoice.objects.get().total_minor
    proof = Step.objects.get(stage="post_journal").proof
    assert proof["compared"]["date"] == "2026-03-02"
    assert not Case.objects.exists()


def test_a_month_is_open_once_the_journal_in_it_is_too(tern: Story) -> None:
    greta = erp.Person()
    months = greta.ids("account.period", ["name", "=", "2026-03"])
    with tern.on("2026-03-02"):
        tern.close(training("SO-7000", "2026-03-02"))
        tern.bill()
    greta.does("account.period", "close", months)
    with tern.on("2026-03-09"):
        tern.close(training("SO-7002", "2026-03-09"))
        (number,) = tern.bill()
        case = the_case(business_key=number)
        assert (case.reason, case.stage) == ("period_closed", "post_journal")
        assert case.blocker == (TRYTON, "fiscal_period", "DE:2026-03", "closed")
        assert entry(number).state == "blocked" and len(there()) == 1
    with tern.on("2026-04-02"):
        greta.does("account.period", "reopen", months)
        assert watch.watch_blockers()["offers"] == 0
        greta.does("account.journal.period", "reopen", greta.ids("account.journal.period", ["period", "in", months]))
        replayed(tern, "carla", case)
    assert entry(number).document_number == there()[-1][0]


def test_a_cost_centre_that_is_dead_there_is_caught_before_anything_is_sent(tern: Story) -> None:
    greta = erp.Person()
    every = ["active", "in", [True, False]]
    dead = greta.ids("analytic_account.account", ["code", "=", "CC-410"], every)
    greta.does("analytic_account.account", "write", dead, {"active": False})
    with tern.on("2026-04-02"):
        tern.close(training("SO-7003", "2026-04-02", "EDGE-BOX", 10))
        (number,) = tern.bill()
        case = the_case(business_key=number)
        assert (case.reason, case.blocker) == ("dimension_inactive", (TRYTON, "cost_center", "DE:CC-410", "inactive"))
        assert there() == []
    greta.does("analytic_account.account", "write", dead, {"active": True})
    with tern.on("2026-04-03"):
        replayed(tern, "mei", case)
    assert [row[0] for row in there()] == [entry(number).document_number]


@pytest.mark.parametrize(
    ("operation", "fault"),
    [
        ("create_move", "drop_before"),
        ("create_move", "drop_after"),
        ("post_move", "drop_before"),
        ("post_move", "drop_after"),
    ],
)
def test_a_lost_answer_ends_as_one_move_and_leaves_no_draft(tern: Story, operation: str, fault: str) -> None:
    with tern.on("2026-03-09", "10:00"):
        tern.close(training("SO-7004", "2026-03-09"))
        tern.platforms.fault(TRYTON, fault, operation, times=1)
        (number,) = tern.bill()
        step = Step.objects.get(stage="post_journal")
        ways = list(Transition.objects.filter(record_id=step.id).order_by("id").values_list("target", flat=True))
        assert "unknown" in ways
    for minute in range(1, 20):
        with tern.flow.at(dt.datetime(2026, 3, 9, 10, minute, tzinfo=dt.UTC)):
            run.drain("post_journal")
    assert (Step.objects.get(id=step.id).state, entry(number).state) == ("done", "posted")
    assert [row[0] for row in there()] == [entry(number).document_number]
    assert erp.sql("SELECT count(*) FROM account_move WHERE state = 'draft'") == [(0,)]
    assert not Case.objects.exists()


def test_what_is_committed_long_after_the_answer_was_given_up_is_found_and_not_sent_again(tern: Story) -> None:
    """One empty search proves nothing: the write is still on its way."""
    Connection.objects.filter(name=TRYTON).update(time_limit_s=1)
    registry.close_all()
    with tern.on("2026-03-09", "10:00"):
        tern.close(training("SO-7005", "2026-03-09"))
        # The post is done three seconds later than anybody waits for it.
        tern.platforms.fault(TRYTON, "late_commit", "post_move", value=3, times=1)
        (number,) = tern.bill()
        assert Step.objects.get(stage="post_journal").state in ("unknown", "done")
    deadline = dt.datetime(2026, 3, 9, 10, 1, tzinfo=dt.UTC)
    for second in range(0, 600, 10):
        with tern.flow.at(deadline + dt.timedelta(seconds=second)):
            run.drain("post_journal")
    assert Step.objects.get(stage="post_journal").state == "done"
    assert [row[0] for row in there()] == [entry(number).document_number]
