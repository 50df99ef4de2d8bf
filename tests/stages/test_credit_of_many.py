"""Many deals of one payer at once: each is asked about once, or twice, whatever the limit and whoever decides beside it.

Acme may owe 20,000 softly and 50,000 at most unless told otherwise; a deal of the shop is 12,500.00, a seat 1,200.00.
"""

from __future__ import annotations

import datetime as dt
import threading
from collections import Counter
from collections.abc import Mapping
from decimal import Decimal
from typing import Any

import pytest

from exceptions.models import Approval, Case
from ledger.models import FxRate, LegalEntity
from q2c.connectors.outcomes import Blocker, Posted, Rejected
from q2c.contracts.documents import CreditDecision, CreditRequest
from q2c.engine import desk as cases
from q2c.engine import run
from q2c.models import Attempt, Order, Step
from q2c.reasons import Reason
from q2c.stages import commitments, owing
from tests import flow_makers as flow
from tests.engine.makers import person
from tests.engine.scripted import in_own_connection
from tests.intake.documents import order as document
from tests.stages.conftest import Desk
from tests.stages.test_acceptance import discounted, seats
from tests.stages.test_commitments import sells, states, texts

pytestmark = pytest.mark.django_db(transaction=True)
MANY = 60


def may_owe(desk: Desk, soft: str, hard: str, **more: Any) -> None:
    acme = {"id": "C-ACME", "name": "Acme", "soft_limit": soft, "hard_limit": hard, "exposure": "0.00"}
    desk.credit.seed(customers=[acme | {"currency": "USD"} | more])


def calls() -> dict[str, int]:
    """By service, how often it was asked."""
    return dict(Counter(Attempt.objects.values_list("connection", flat=True)))


def comes(desk: Desk, name: str, **changes: Any) -> None:
    desk.comes(id_=name, order_number=name, **changes)


def many(count: int = MANY) -> list[str]:
    return [f"SO-{number:03}" for number in range(count)]


def committed() -> set[tuple[int, str]]:
    """What the cases show as committed before their deal, and what they say."""
    found = [(case.context["findings"][0]["measure"]["amounts"], case.text) for case in Case.objects.all()]
    return {({what: minor for what, minor, _ in rows}.get("Accepted, not billed yet", 0), text) for rows, text in found}


def test_a_batch_over_the_limit_is_asked_about_once(desk: Desk) -> None:
    """Told that all before them pass, most would be over the hard limit; with what is committed they are for a person."""
    sells(desk, *many())
    desk.works()
    assert Counter(states().values()) == {"accepted": 1, "awaiting_approval": MANY - 1}
    assert calls() == {"credit": MANY, "avatax": MANY}
    over = "Acme Inc would owe USD 25,000.00, more than its soft credit limit of USD 20,000.00"
    assert committed() == {(1_250_000, over)}
    assert set(Step.objects.filter(stage="accept_order").values_list("attempts", flat=True)) == {1}


def test_two_workers_over_the_limit_ask_about_each_once(desk: Desk) -> None:
    """100,000 hold eight deals."""
    may_owe(desk, "100000.00", "150000.00")
    sells(desk, *many())
    barrier = threading.Barrier(2)

    def worker() -> None:
        barrier.wait()
        run.drain("accept_order", 10)

    threads = [threading.Thread(target=in_own_connection, args=[worker]) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert Counter(states().values()) == {"accepted": 8, "awaiting_approval": MANY - 8}
    assert commitments.unbilled(["C-ACME"]) == {("C-ACME", "USD"): 10_000_000}
    asked = calls()
    assert asked["avatax"] == MANY and MANY <= asked["credit"] <= 2 * MANY
    # Whoever decided meanwhile: the one that came eighth may have been decided first.
    assert {before for before, _ in committed()} == {10_000_000}


def test_deals_of_many_sizes_are_asked_about_twice_at_most(desk: Desk) -> None:
    """A deal of 60,000 in front of those that fit, again and again: 1,200 and 18,000 are within 20,000."""
    for number in range(30):
        comes(desk, f"SO-{number}", **seats((50, 1, 15)[number % 3]))
    desk.works()
    accepted = {number for number, state in states().items() if state == "accepted"}
    assert accepted == {"SO-1", "SO-2"}
    asked = calls()
    assert asked["avatax"] == 30 and asked["credit"] <= 60
    assert {before for before, _ in committed()} <= {0, 1_920_000}


def test_what_fits_beside_what_was_refused_passes_by_the_services_own_word(desk: Desk) -> None:
    """No order is accepted on a no: the second answer about it is the yes; tax has answered."""
    comes(desk, "SO-BIG", **seats(50))
    comes(desk, "SO-SMALL", **seats(1))
    desk.works()
    assert states() == {"SO-BIG": "received", "SO-SMALL": "accepted"}
    answers = Attempt.objects.filter(step__business_key="SO-SMALL", connection="credit").order_by("id")
    assert ['"decision": "approve"' in row.response_body.replace('":"', '": "') for row in answers] == [False, True]
    assert calls() == {"credit": 3, "avatax": 2}
    small = Order.objects.get(number="SO-SMALL")
    assert (small.tax_estimate_minor, small.lines.get().tax_estimate_minor) == (12_000, 12_000)
    assert small.controls["told"] == ["credit", "tax"] and small.controls["findings"] == []
    assert not Step.objects.filter(proof__has_key="asked_again").exists()


def test_a_payer_on_hold_is_asked_about_once_for_each_deal(desk: Desk) -> None:
    may_owe(desk, "20000.00", "50000.00", on_hold=True)
    sells(desk, *many(20))
    desk.works()
    assert set(texts().values()) == {"Acme Inc is on credit hold"}
    assert calls() == {"credit": 20, "avatax": 20}


def test_deals_in_two_currencies_are_asked_about_twice_at_most(desk: Desk) -> None:
    """What is committed in another currency only the service converts."""
    LegalEntity.objects.update(allowed_currencies=["USD", "EUR"])
    FxRate.objects.create(from_currency="EUR", to_currency="USD", on=dt.date(2026, 1, 1), rate=Decimal("1.1"))
    desk.credit.seed(rates={"USD": "1", "EUR": "1.1"})
    (group,) = document()["groups"]
    for number in range(20):
        currency = "EUR" if number % 2 else "USD"
        comes(desk, f"SO-{number}", currency=currency, groups=[group | {"currency": currency}])
    desk.works()
    assert Counter(states().values()) == {"accepted": 1, "awaiting_approval": 19}
    asked = calls()
    assert asked["avatax"] == 20 and asked["credit"] <= 40
    assert {before for before, _ in committed()} == {1_250_000, 1_136_364}


def test_a_deal_whose_discount_is_signed_counts_for_the_next_one(desk: Desk) -> None:
    """14,000 after 30 % and 12,500: each alone is within the limit, both are not."""
    comes(desk, "SO-1", **discounted(30, 16))
    desk.works()
    cases.approve(person("bea"), [desk.asked().id], "fine")
    sells(desk, "SO-2")
    desk.works()
    assert states() == {"SO-1": "accepted", "SO-2": "awaiting_approval"}
    assert texts()["SO-2"].startswith("Acme Inc would owe USD 25,940.00")
    assert Approval.objects.get(state="requested").data["findings"][0]["measure"]["limit"] == "20000.00"


def test_an_order_tells_the_controls_by_what_was_decided(desk: Desk) -> None:
    """Told yes, and over the limit by the time it is decided; signed, it is accepted as what was signed."""
    sells(desk, "SO-1", "SO-2")
    desk.works()
    cases.approve(person("bea"), [desk.asked().id], "good payer")
    desk.works()
    assert Order.objects.get(number="SO-2").controls["findings"] == ["credit_approval_required"]


# What an answer tells of another sum

HOLD = Rejected(reason=Reason.CREDIT_REFUSED, code="on_hold", text="on hold")


def decision(word: Any, committed_minor: int = 0) -> CreditDecision:
    """1.00 asked for on top of 3.00 owed; 10.00 softly, 20.00 at most."""
    return CreditDecision(
        decision=word, requested_minor=100, exposure_minor=300, soft_limit_minor=1000, hard_limit_minor=2000,
        currency="USD", committed_minor=committed_minor,
    )  # fmt: skip


@pytest.mark.parametrize(
    ("answer", "told", "now", "expected"),
    [
        (decision("approve"), {}, {"USD": 600}, ("approve", 600)),
        (decision("approve"), {}, {"USD": 601}, ("refer", 601)),
        (decision("refer", 1000), {"USD": 1000}, {"USD": 1601}, ("decline", 1601)),
        (decision("decline", 1800), {"USD": 1800}, {"USD": 1600}, ("refer", 1600)),
        # 5.00 of these are euros; they stay.
        (decision("refer", 1000), {"USD": 500, "EUR": 450}, {"USD": 100, "EUR": 450}, ("approve", 600)),
        (decision("refer", 1000), {"USD": 500, "EUR": 450}, {"USD": 500}, None),
        (decision("approve"), {}, {"EUR": 1}, None),
        # It decided by something else than its figures.
        (decision("refer"), {}, {"USD": 1}, None),
        (decision("approve", 700), {"USD": 700}, {"USD": 600}, None),
        (HOLD, {"USD": 1}, {"USD": 2}, HOLD),
        (HOLD, {"USD": 1}, {}, HOLD),
        (HOLD, {"USD": 1, "EUR": 1}, {"USD": 2}, None),
    ],
)
def test_what_an_answer_tells_of_another_sum(
    answer: Any, told: Mapping[str, int], now: Mapping[str, int], expected: Any
) -> None:
    request = CreditRequest(
        customer="C-1", name="Globex", country="US", currency="USD", amount_minor=100, committed=tuple(told.items())
    )
    found = owing.restated(owing.said_of("credit", request, answer), tuple(now.items()))
    if isinstance(expected, tuple):
        assert found is not None and isinstance(found.answer, CreditDecision)
        assert (found.answer.decision, found.answer.committed_minor) == expected
        assert [one.measure.value for one in found.findings if one.measure] == (
            [] if expected[0] == "approve" else [f"{(400 + expected[1]) / 100:.2f}"]
        )
    else:
        assert (found and found.answer) == expected


def test_a_limit_that_was_declined_is_blocked_by_what_is_committed() -> None:
    request = CreditRequest(customer="C-1", name="Globex", country="US", currency="USD", amount_minor=100)
    found = owing.restated(owing.said_of("credit", request, decision("approve")), (("USD", 5000),))
    assert found is not None
    assert found.findings[0].blocker == Blocker(
        connection="credit", object_type="credit_limit", object_key="C-1", condition="under USD 51.00"
    )


def test_what_is_billed_meanwhile_is_asked_about_again(books: Any) -> None:
    """The ledger holds it by now: the service counts it as owed, which its earlier answer does not tell."""
    flow.company()
    flow.deal("O-1")
    for stage in ("accept_order", "sync_customer", "provision_billing", "activate_subscription"):
        flow.run(stage)
    flow.bill(Order.objects.get(), "INV-1")
    flow.run("record_invoice")
    flow.deal("O-2")

    def says_no(work: Any) -> Posted:
        (credit,) = work.request.credits
        told = sum(minor for _, minor in credit.committed)
        answer = CreditDecision(
            decision="refer", requested_minor=credit.amount_minor, exposure_minor=0, soft_limit_minor=1,
            hard_limit_minor=10**12, currency=credit.currency, committed_minor=told,
        )  # fmt: skip
        said = owing.said_of("credit", credit, answer)
        owing.note(work.notes, said)
        work.notes["found"] += said.findings
        flow.run("post_journal")
        return flow.yes(work)

    flow.run("accept_order", says_no)
    step = Step.objects.get(stage="accept_order", business_key="O-2")
    assert (step.state, step.text.endswith("credit is asked again")) == ("waiting", True)
