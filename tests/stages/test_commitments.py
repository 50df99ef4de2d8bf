"""Credit counts what was accepted and is not billed yet: no deal slips through in slices.

Acme may owe 20,000 softly and 50,000 at most; a deal of the shop is 12,500.00.
"""

from __future__ import annotations

from typing import Any

import msgspec
import pytest
from msgspec import structs

from exceptions.models import Approval, Case
from q2c.contracts.documents import InvoiceDocument
from q2c.engine import desk as cases
from q2c.engine import gates, record, run
from q2c.engine.claim import claim_these
from q2c.engine.lease import Lease
from q2c.models import Order, Step
from q2c.money import Money
from q2c.stages import STAGES, commitments
from q2c.stages.verb import Work
from tests import flow_makers as flow
from tests.engine.makers import person
from tests.stages.conftest import Desk
from tests.stages.test_cancelled_while_waiting import cancel

pytestmark = pytest.mark.django_db(transaction=True)
STAGE = "accept_order"


def sells(desk: Desk, *numbers: str) -> None:
    for number in numbers:
        desk.comes(id_=number, order_number=number)


def states() -> dict[str, str]:
    return dict(Order.objects.values_list("number", "state"))


def texts() -> dict[str, str]:
    return dict(Case.objects.exclude(state="resolved").values_list("business_key", "text"))


def sign(who: Any, number: str) -> None:
    cases.approve(who, [Approval.objects.get(state="requested", case__business_key=number).id], "good payer")


@pytest.mark.parametrize("at_once", [True, False], ids=["in one batch", "one after the other"])
def test_a_deal_is_asked_for_on_top_of_what_was_accepted(desk: Desk, at_once: bool) -> None:
    """12,500.00 each: the second is over the soft limit, the fifth over the hard one."""
    numbers = ["SO-1", "SO-2", "SO-3", "SO-4", "SO-5"]
    for one in [numbers] if at_once else [[number] for number in numbers]:
        sells(desk, *one)
        desk.works()
    assert states() == {"SO-1": "accepted"} | dict.fromkeys(numbers[1:], "awaiting_approval")
    over = "Acme Inc would owe USD 25,000.00, more than its soft credit limit of USD 20,000.00"
    assert texts() == dict.fromkeys(numbers[1:], over)
    bea = person("bea")
    sign(bea, "SO-2")
    desk.works()
    assert (states()["SO-2"], commitments.unbilled(["C-ACME"])["C-ACME", "USD"]) == ("accepted", 2_500_000)
    # What was shown for the others was 25,000: that it is more by now is shown, and signed for anew.
    for number, owed in (("SO-3", "37500.00"), ("SO-4", "50000.00")):
        sign(bea, number)
        desk.works()
        asked = Approval.objects.get(state="requested", case__business_key=number)
        measure = asked.data["findings"][0]["measure"]
        assert (states()[number], measure["value"]) == ("awaiting_approval", owed)
        before = Money.of(owed, "USD").minor - 1_250_000
        assert measure["amounts"][:3] == [
            ["Owed before", 0, "USD"], ["Accepted, not billed yet", before, "USD"], ["This deal", 1_250_000, "USD"],
        ]  # fmt: skip
        sign(bea, number)
        desk.works()
        assert states()[number] == "accepted"
    sign(bea, "SO-5")
    desk.works()
    refused = Case.objects.get(business_key="SO-5")
    assert refused.text == "Acme Inc would owe USD 62,500.00, more than its hard credit limit of USD 50,000.00"
    # A limit that would do for this deal alone does not do.
    assert (refused.blocker_type, refused.blocker_condition) == ("credit_limit", "under USD 62500.00")


def test_a_cancelled_order_is_owed_no_more(desk: Desk) -> None:
    sells(desk, "SO-1")
    desk.works()
    assert commitments.unbilled(["C-ACME", "NOBODY"]) == {("C-ACME", "USD"): 1_250_000}
    cancel(number="SO-1")
    run.drain("cancel_order")
    assert commitments.unbilled(["C-ACME"]) == {}


def asked_for(number: str) -> list[Work]:
    """A worker that has its answers and has recorded nothing yet."""
    step = Step.objects.get(stage=STAGE, business_key=number)
    steps = claim_these(STAGE, [step.id])
    works, open_gates, stage = run.load(steps), gates.Gates(), STAGES[STAGE]
    run.prepare(stage, works, open_gates)
    run.call(stage, works, open_gates, Lease(steps))
    return works


def recorded(works: list[Work]) -> None:
    record.record(STAGES[STAGE], works, [], gates.Gates())


def test_two_workers_at_once_do_not_both_pass(desk: Desk) -> None:
    """Each was told that nothing is committed; whoever records later is held to what the other did."""
    sells(desk, "SO-1", "SO-2")
    first, second = asked_for("SO-1"), asked_for("SO-2")
    recorded(first)
    recorded(second)
    assert states() == {"SO-1": "accepted", "SO-2": "awaiting_approval"}
    assert texts() == {
        "SO-2": "Acme Inc would owe USD 25,000.00, more than its soft credit limit of USD 20,000.00"
    }  # fmt: skip
    (finding,) = Case.objects.get().context["findings"]
    assert finding["measure"]["amounts"][:3] == [
        ["Owed before", 0, "USD"], ["Accepted, not billed yet", 1_250_000, "USD"], ["This deal", 1_250_000, "USD"],
    ]  # fmt: skip


def test_a_no_that_holds_no_more_is_asked_again(desk: Desk) -> None:
    sells(desk, "SO-1")
    desk.works()
    sells(desk, "SO-2")
    second = asked_for("SO-2")
    cancel(number="SO-1")
    run.drain("cancel_order")
    recorded(second)
    waiting = Step.objects.get(stage=STAGE, business_key="SO-2")
    assert (waiting.state, waiting.text) == (
        "waiting", "Another deal of Acme Inc was decided meanwhile: credit is asked again",
    )  # fmt: skip
    desk.works()
    assert (states()["SO-2"], Case.objects.count()) == ("accepted", 0)


def test_a_deal_that_fails_elsewhere_commits_nothing(desk: Desk) -> None:
    desk.comes(id_="SO-1", order_number="SO-1", closed_on="2020-01-01")
    sells(desk, "SO-2")
    desk.works()
    assert states() == {"SO-1": "received", "SO-2": "accepted"}


def test_a_dry_run_counts_them_too(desk: Desk) -> None:
    sells(desk, "SO-1")
    desk.comes(id_="SO-2", order_number="SO-2", closed_on="2020-01-01")
    desk.works()
    seen = cases.dry_run(person("ann"), desk.case.id)
    assert seen is not None
    assert [one["reason"] for one in seen["findings"]] == ["term_invalid", "credit_approval_required"]


def sold() -> Order:
    """O-1, of which nothing is billed yet."""
    flow.company()
    flow.deal("O-1")
    for stage in ("accept_order", "sync_customer", "provision_billing", "activate_subscription"):
        flow.run(stage)
    return Order.objects.get()


def posted() -> None:
    flow.run("record_invoice")
    flow.run("post_journal")


def test_what_a_credit_takes_back_is_committed_until_it_is_billed_anew(books: Any) -> None:
    """A corrected invoice and a favour look alike when the credit comes."""
    order = sold()
    payer = order.groups.get().bill_to

    def bills(number: str, sign: int = 1) -> tuple[int, int]:
        """What is unbilled, and billed, once the ledger holds it."""
        flow.bill(order, number, lines=[
            structs.replace(line, net_minor=sign * line.net_minor, tax_minor=sign * line.tax_minor) for line in lines
        ])  # fmt: skip
        posted()
        said = commitments.standing([payer])
        return said.unbilled[payer, "EUR"], said.billed[payer, "EUR"]

    payload = msgspec.json.decode(flow.bill(order, "INV-1").payload, type=InvoiceDocument)
    posted()
    lines, net, total = payload.lines, order.invoices.get().net_minor, order.total_minor
    assert commitments.unbilled([payer]) == {(payer, "EUR"): total - net}
    assert bills("CM-1", -1) == (total, 0)
    assert bills("INV-2") == (total - net, net)


def test_what_is_billed_is_committed_no_more(books: Any) -> None:
    order = sold()
    group = order.groups.get()
    key = (group.bill_to, "EUR")
    assert commitments.unbilled([group.bill_to]) == {key: order.total_minor}
    flow.bill(order, "INV-1")
    flow.run("record_invoice")
    assert commitments.unbilled([group.bill_to]) == {key: order.total_minor}, "the ledger does not hold it yet"
    flow.run("post_journal")
    net = order.invoices.get().net_minor
    assert commitments.unbilled([group.bill_to]) == {key: order.total_minor - net}
