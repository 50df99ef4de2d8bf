"""What a person signs, as they see it: every finding, each amount in its currency, and what a refusal comes to."""

from __future__ import annotations

import datetime as dt
from decimal import Decimal
from typing import Any

import pytest

from exceptions.models import Approval
from ledger.models import FxRate, LegalEntity
from q2c.models import ApiKey
from tests.api.conftest import Caller
from tests.intake.documents import order as document
from tests.stages.conftest import Desk, desk
from tests.stages.test_acceptance import discounted
from tests.ui.people import of_role, page, read, signed_in

__all__ = ["desk"]

pytestmark = pytest.mark.django_db(transaction=True)


def two_currencies(desk: Desk) -> None:
    """Dollars and euros of one payer, whose limits the credit service keeps in euros; both lines discounted."""
    LegalEntity.objects.update(allowed_currencies=["USD", "EUR"])
    FxRate.objects.create(
        from_currency="EUR", to_currency="USD", on=dt.date(2026, 1, 2), rate=Decimal("1.1"), kind="spot"
    )
    desk.credit.seed(
        rates={"USD": "1", "EUR": "1.08"},
        customers=[{"id": "C-ACME", "name": "Acme", "soft_limit": "15000.00", "hard_limit": "90000.00",
                    "exposure": "1000.00", "currency": "EUR"}],
    )  # fmt: skip
    sold = document()
    line = sold["lines"][0] | {"discount_minor": 300_000, "amount_minor": 900_000}
    groups = [sold["groups"][0], sold["groups"][0] | {"key": "eu", "currency": "EUR"}]
    desk.comes(lines=[line, line | {"line": 2, "group": "eu"}], groups=groups)
    desk.works()


@pytest.fixture
def carla(transactional_db: None) -> Any:
    return of_role("carla", "Controller", team="controllers", first_name="Carla", last_name="Weiss")


def test_every_finding_that_one_signature_grants_with_its_figures(desk: Desk, carla: Any) -> None:
    two_currencies(desk)
    text = " ".join(read(signed_in(carla), "/approvals").split())
    for said in (
        "Discount needs approval: SO-1001",
        "Acme Inc: one signature grants these 2",
        "Line 1 gives 25 % discount; 20 % need no approval",
        "Line 2, P-SEATS25 %Limit20 %Over it by5 points",
        "List priceEUR 12,000.00",
        "DiscountEUR 3,000.00",
        "The limit is that of US.",
        # What the order's one amount is made of.
        "The order’s USD 18,900.00 are USD 9,000.00 and EUR 9,000.00 (at 1.10, our spot rate of Jan 2, 2026: USD 9,900.00).",
        "Besides, it needs: credit needs approval. That is asked for by itself after this one.",
        "You grant all 2 of them:",
        "To Sales ops, who can have the deal changed",
        "of Controllers",
    ):
        assert said in text, said


def test_credit_says_in_which_currency_each_limit_is_and_by_which_rate(desk: Desk, carla: Any) -> None:
    two_currencies(desk)
    decide(carla, desk.asked(), verb="approve")
    desk.works()
    text = " ".join(read(signed_in(carla), "/approvals").split())
    for said in (
        "Credit needs approval: SO-1001",
        "Acme IncUSD 19,800.00LimitUSD 16,200.00Over it byUSD 3,600.00",
        "Owed beforeUSD 1,080.00",
        "This dealUSD 9,000.00",
        "and of this dealEUR 9,000.00",
        "The deal as convertedUSD 18,720.00",
        "Hard limitUSD 97,200.00",
        "The credit service keeps these limits in EUR.",
        "Converted at 1 EUR = 1.08 USD, the credit service’s rate of",
    ):
        assert said in text, said
    # The limit that it is over is said once.
    assert "Soft limit" not in text


def decide(user: Any, asked: Approval, **form: Any) -> str:
    answer = signed_in(user).post(f"/approvals/{asked.id}/decide", form, follow=True)
    assert answer.status_code == 200
    return str(answer.content.decode())


def test_a_refusal_is_seen_where_the_case_goes_to(desk: Desk, carla: Any) -> None:
    two_currencies(desk)
    text = decide(carla, desk.asked(), verb="refuse", then="owner", reason="Fifteen at most <b>")
    assert "is back with Sales ops, with your reason on it." in text
    sofia = of_role("sofia", "Sales ops", team="sales-ops")
    page = read(signed_in(sofia), f"/cases/{desk.case.id}")
    for said in ("Refused by Carla Weiss", "Fifteen at most &lt;b&gt;", "Have the deal changed", "Find the order"):
        assert said in page, said
    assert "Decide on it" not in page
    # Nobody has anything to decide, and the card of the cause says whose it is now.
    for address in ("/queue", "/problems", f"/problems/{desk.case.problem_id}"):
        card = read(signed_in(carla), address)
        assert "Decide on it" not in card and "Sales ops" in card, address
    decided = read(signed_in(carla), "/approvals?view=decided")
    assert "Refused" in decided and "Received" in decided and "Fifteen at most" in decided
    assert "Fifteen at most" in read(signed_in(sofia), f"/orders/{desk.order.id}")


def test_a_refusal_for_good_rejects_the_order(desk: Desk, carla: Any) -> None:
    two_currencies(desk)
    text = decide(carla, desk.asked(), verb="refuse", then="reject", reason="Not with us")
    assert "The order is rejected; the sales platform is told why." in text
    assert desk.order.state == "rejected"
    assert "Rejected" in read(signed_in(carla), "/approvals?view=decided")


def test_a_key_of_nobody_is_named_and_its_makers_find_approve_locked(desk: Desk, carla: Any) -> None:
    key, secret = ApiKey.make("webshop", ["q2c.add_order"])
    ApiKey.make("webshop", ["q2c.add_order"], created_by=carla)
    Caller(secret).post("/api/v1/orders", document(**discounted(30)), "application/json")
    locked = page(signed_in(carla), "/approvals")
    assert f"the key {key.prefix}… of webshop" in locked
    assert "somebody else decides it" in locked and 'id="refuse-' not in locked
    free = page(signed_in(of_role("cleo", "Controller")), "/approvals")
    assert 'id="approve-' in free and "somebody else decides it" not in free


def test_each_dialog_says_what_it_decides(desk: Desk, carla: Any) -> None:
    """Three cards may stand there: a dialog names its document, its customer and what it is worth."""
    two_currencies(desk)
    asked = desk.asked()
    assert asked.case is not None and asked.case.business_key
    text = page(signed_in(carla), "/approvals")
    for verb in ("approve", "refuse"):
        dialog = text.partition(f'id="{verb}-{asked.id}"')[2].partition("</dialog>")[0]
        assert f"{verb.capitalize()} {asked.case.business_key}" in dialog
        assert asked.case.shown in dialog and asked.case.customer in dialog
