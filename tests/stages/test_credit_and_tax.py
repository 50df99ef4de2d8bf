"""What credit and tax say about a deal, asked of the sandboxes over HTTP."""

from __future__ import annotations

import datetime as dt
from typing import Any

import pytest

from ledger.models import LegalEntity
from q2c.connectors.outcomes import Blocker, Posted, Rejected, Unavailable
from q2c.contracts.documents import Address, Billing, InvoiceGroup, OrderDocument, OrderLine
from q2c.models import Customer, Product
from q2c.reasons import Reason
from q2c.stages import credit_and_tax
from q2c.stages.controls.world import World
from tests.connectors.avatax import account
from tests.connectors.control import Control
from tests.connectors.credit import limits

PHILADELPHIA = account.PHILADELPHIA


@pytest.fixture
def services() -> tuple[Control, Control]:
    """(credit, tax), seeded."""
    credit, tax = Control("credit"), Control("avatax")
    for control, seed in ((credit, limits.SEED), (tax, account.SEED)):
        control.reset()
        control.seed(**seed)
    return credit, tax


def group(key: str, *, bill_to: str = "C-1", ship_to: Address = PHILADELPHIA, currency: str = "USD") -> InvoiceGroup:
    return InvoiceGroup(key=key, region="US", legal_entity="US01", bill_to=bill_to, ship_to=ship_to, currency=currency)


def line(number: int, group: str, amount_minor: int, product: str = "SUITE") -> OrderLine:
    return OrderLine(
        line=number, product=product, group=group, kind="one_time", amount_minor=amount_minor,
        billing=Billing(frequency="once"), revenue_treatment="point_in_time",
    )  # fmt: skip


def order(groups: list[InvoiceGroup], lines: list[OrderLine]) -> OrderDocument:
    return OrderDocument(
        order_number="O-1", customer="C-1", contract_entity="US01", currency="USD", closed_on=dt.date(2026, 1, 5),
        starts_on=dt.date(2026, 2, 1), term_months=12, groups=tuple(groups), lines=tuple(lines),
    )  # fmt: skip


def world() -> World:
    data = World(on=dt.date(2026, 1, 5))
    data.customers = {
        "C-1": Customer(key="C-1", name="Globex"),
        "C-3": Customer(key="C-3", name="Umbrella"),
        "C-1-EU": Customer(key="C-1-EU", name="Globex Europe", parent_key="C-1"),
    }
    data.products = {"SUITE": Product(code="SUITE", tax_code="SOFTWARE"), "WINE": Product(code="WINE", tax_code="WINE")}
    data.entities = {"US01": LegalEntity(code="US01", is_active=True, regions=["US"])}
    return data


def ask(document: OrderDocument, **changes: Any) -> tuple[Any, list[Any], dict[str, Any]]:
    ports = {"credit": limits.connect(**changes.get("credit", {})), "tax": account.connect(**changes.get("tax", {}))}
    wanted = credit_and_tax.questions(document, world(), "tax", "credit")
    found: list[Any] = []
    notes: dict[str, Any] = {}
    return credit_and_tax.ask(ports.__getitem__, document, wanted, found, notes), found, notes


def test_a_deal_within_its_limit_is_taxed_group_by_group(services):
    document = order([group("a"), group("b", ship_to=account.SALEM)], [line(1, "a", 30_000), line(2, "b", 10_000)])
    outcome, found, notes = ask(document)
    [(owed, measure)], [(payer, said)] = notes.pop("owed").items(), notes.pop("credits").items()
    assert (payer, said.answer.decision, said.request.amount_minor, said.findings) == ("C-1", "approve", 40_000, [])
    assert (owed, measure.of, measure.value, measure.amounts[1]) == (
        "C-1",
        "Globex",
        "800.00",
        ("This deal", 40_000, "USD"),
    )
    assert (outcome, found, notes) == (
        Posted(reference=""),
        [],
        {
            "taxes": {"USD": 2_400}, "line_taxes": {1: 2_400, 2: 0}, "answered": {"credit", "tax"}, "told": ["credit", "tax"],
        },
    )  # fmt: skip


def test_the_groups_of_one_payer_count_together(services):
    """USD 600 are left under the soft limit: each group would pass alone, the deal does not."""
    document = order([group("a"), group("b", bill_to="C-1-EU")], [line(1, "a", 50_000), line(2, "b", 50_000)])
    _, found, _ = ask(document)
    assert [finding.reason for finding in found] == [Reason.CREDIT_APPROVAL_REQUIRED]
    assert found[0].text == "Globex would owe USD 1,400.00, more than its soft credit limit of USD 1,000.00"


def test_and_so_do_its_groups_in_other_currencies(services):
    """EUR 480.00 are USD 600.00: with them the deal is USD 1.00 over what is left."""
    document = order([group("a"), group("b", currency="EUR")], [line(1, "a", 100), line(2, "b", 48_000)])
    _, found, _ = ask(document)
    assert found[0].text == "Globex would owe USD 1,001.00, more than its soft credit limit of USD 1,000.00"
    document = order([group("b", currency="EUR")], [line(2, "b", 48_000)])
    assert ask(document)[1] == []


def test_over_the_hard_limit_nobody_can_approve_until_it_is_raised(services):
    credit, _ = services
    document = order([group("a")], [line(1, "a", 150_000)])
    _, found, _ = ask(document)
    assert [(finding.reason, finding.pointer) for finding in found] == [(Reason.CREDIT_REFUSED, "/customer")]
    under = Blocker(connection="credit", object_type="credit_limit", object_key="C-1", condition="under USD 1500.00")
    assert found[0].blocker == under
    assert limits.connect().still_blocked(under) is True
    credit.edit("customer", "C-1", soft_limit="2000.00", hard_limit="2000.00")
    assert limits.connect().still_blocked(under) is False
    assert ask(document)[1] == []


def test_a_hold_comes_with_its_blocker(services):
    _, found, _ = ask(order([group("a", bill_to="C-3")], [line(1, "a", 100)]))
    assert [(f.reason, f.code, f.blocker.object_key) for f in found] == [(Reason.CREDIT_REFUSED, "on_hold", "C-3")]


def test_refusals_of_tax_point_into_the_order(services):
    document = order(
        [group("a"), group("b", ship_to=account.NOWHERE)],
        [line(1, "a", 100), line(5, "a", 100, "WINE"), line(6, "b", 100)],
    )
    _, found, _ = ask(document)
    assert [(f.reason, f.code, f.pointer) for f in found] == [
        (Reason.TAX_REFUSED, "InvalidTaxCode", "/lines/1/product"),
        (Reason.TAX_REFUSED, "GetTaxError", "/groups/1/ship_to"),
    ]


@pytest.mark.parametrize("silent", ["credit", "avatax"])
def test_a_silent_service_means_waiting(services, silent):
    Control(silent).fault("drop_after")
    outcome, _, _ = ask(order([group("a")], [line(1, "a", 100)]))
    assert isinstance(outcome, Unavailable)


@pytest.mark.parametrize(
    "wrong",
    [{"credit": {"key": "wrong"}}, {"tax": {"credentials": {"account_id": "1", "license_key": "wrong"}}}],
    ids=["credit", "tax"],
)
def test_refused_credentials_are_the_connections_failure_not_the_deals(services, wrong):
    outcome, found, _ = ask(order([group("a")], [line(1, "a", 100)]), **wrong)
    assert isinstance(outcome, Rejected)
    assert (outcome.reason, found) == (Reason.CREDENTIALS_REFUSED, [])
