"""Where each kind of blocker is put right, and that the team which owns the case can do it there."""

from __future__ import annotations

from typing import Any

import pytest

from exceptions.models import Case, Problem
from exceptions.policies import POLICIES, TEAMS
from q2c.demo.people import PEOPLE
from q2c.models import Connection
from q2c.reasons import Reason as R
from q2c.roles import ROLES
from q2c.ui import cause, links
from tests.ui.people import of_role, page, person, signed_in

pytestmark = pytest.mark.django_db

CHANGE, USE = "q2c.change_connection", "q2c.use_sandbox"


@pytest.fixture
def platforms() -> None:
    """An ERP in a sandbox and one in the world."""
    segments = {"cost_center": "department", "product_line": "class"}
    for name, vendor, options in (("erp", "netsuite", {"segments": segments}), ("zuora", "zuora", {}),
                                  ("avatax", "avatax", {}), ("credit", "credit", {})):  # fmt: skip
        Connection.objects.create(
            name=name, title=name.title(), vendor=vendor, service="journals", base_url=f"sandbox://{vendor}",
            options=options,
        )  # fmt: skip
    Connection.objects.create(
        name="real", title="NetSuite", vendor="netsuite", service="journals", base_url="https://1.netsuite.test"
    )


def blocked(reason: R, where: str, kind: str, key: str, condition: str = "", **more: Any) -> Case:
    return Case(
        reason=reason, blocker_connection=where, blocker_type=kind, blocker_key=key, blocker_condition=condition,
        **more,
    )  # fmt: skip


# (case, label, address, right)
FIXES: list[tuple[Case, str, str, str]] = [
    (blocked(R.DIMENSION_INACTIVE, "erp", "cost_center", "CC-410"), "Open the cost centre in Erp",
     "/sandbox/netsuite/records/department?find=CC-410", USE),
    (blocked(R.PERIOD_CLOSED, "erp", "fiscal_period", "Nov 2026"), "Open the period in Erp",
     "/sandbox/netsuite/records/accountingPeriod?find=Nov+2026", USE),
    (blocked(R.ACCOUNT_INACTIVE, "erp", "account", "4000"), "Open the account in Erp",
     "/sandbox/netsuite/records/account?find=4000", USE),
    (blocked(R.CUSTOMER_REFUSED, "erp", "customer", "A-1"), "Open the customer in Erp",
     "/sandbox/netsuite/records/customer?find=A-1", USE),
    (blocked(R.SUBSCRIPTION_REFUSED, "zuora", "product", "SEAT"), "Open the product in Zuora",
     "/sandbox/zuora/records/product?find=SEAT", USE),
    (blocked(R.TAX_REFUSED, "avatax", "tax_nexus", "US:US-OR"), "Open the tax nexus in Avatax",
     "/sandbox/avatax/records/company?find=US", USE),
    (blocked(R.CREDIT_REFUSED, "credit", "credit_limit", "A-1"), "Open the credit limit in Credit",
     "/sandbox/credit/records/customer?find=A-1", USE),
    # What has no record that could be changed: its switches.
    (blocked(R.CONTENT_DIFFERS, "erp", "journal_entry", "77"), "Open the journal entry in Erp", "/sandbox/netsuite",
     CHANGE),
    (blocked(R.JOURNAL_REFUSED, "", "", "", connection="erp"), "Open Erp", "/sandbox/netsuite", CHANGE),
    (blocked(R.PLATFORM_UNAVAILABLE, "", "", "", connection="erp"), "Open Erp", "/sandbox/netsuite", CHANGE),
    (blocked(R.REQUEST_REFUSED, "", "", "", connection="erp"), "Open Erp", "/sandbox/netsuite", CHANGE),
    (blocked(R.OUTCOME_UNKNOWN, "", "", "", connection="real"), "Open NetSuite", "https://1.netsuite.test", ""),
    (blocked(R.DIMENSION_INACTIVE, "real", "cost_center", "CC-410"), "Open the cost centre in NetSuite",
     "https://1.netsuite.test", ""),
    # Where the secret goes in.
    (blocked(R.CREDENTIALS_REFUSED, "erp", "connection", "erp", "credentials_refused"), "Open the connection",
     "/admin/q2c/connection/{erp}/change/", CHANGE),
    (blocked(R.CREDENTIALS_REFUSED, "erp", "connection", "erp", "permission_missing"), "Open the connection",
     "/admin/q2c/connection/{erp}/change/", CHANGE),
    (blocked(R.CREDENTIALS_REFUSED, "", "", "", source="zuora"), "Open the connection",
     "/admin/q2c/connection/{zuora}/change/", CHANGE),
    (blocked(R.CREDENTIALS_REFUSED, "", "", "", connection="gone"), "Open the connection",
     "/admin/q2c/connection/?q=gone", CHANGE),
    (blocked(R.PLATFORM_UNAVAILABLE, "erp", "connection", "erp", "inactive", connection="erp"), "Open the connection",
     "/admin/q2c/connection/{erp}/change/", CHANGE),
    (blocked(R.PLATFORM_BUSY, "", "", "", connection="erp"), "Open the connection", "/admin/q2c/connection/?q=erp",
     CHANGE),
    # Ours.
    (blocked(R.PERIOD_CLOSED, "", "fiscal_period", "JP:receivables:2026-11", "period_closed"), "Open the period",
     "/admin/ledger/fiscalperiod/?q=JP+2026-11&subledger=receivables", "ledger.reopen_period"),
    (blocked(R.PERIOD_MISSING, "", "fiscal_period", "JP:receivables:2026-11", "period_missing"), "Open the period",
     "/admin/ledger/fiscalperiod/?q=JP+2026-11&subledger=receivables", "ledger.add_fiscalperiod"),
    (blocked(R.ITEM_MAPPING_MISSING, "erp", "item_mapping", "VAULT"), "Add the item mapping",
     "/admin/q2c/itemmapping/add/?product=VAULT&connection=erp", "q2c.add_itemmapping"),
    (blocked(R.TAX_NEXUS_MISSING, "", "tax_nexus", "US:US-OR"), "Open the tax nexus", "/admin/q2c/taxnexus/?q=US",
     "q2c.add_taxnexus"),
    (blocked(R.TAX_CODE_MISSING, "", "product", "SEAT"), "Open the product", "/admin/q2c/product/?q=SEAT",
     "q2c.change_product"),
    (blocked(R.REVENUE_TREATMENT_MISMATCH, "", "product", "SEAT"), "Open the product", "/admin/q2c/product/?q=SEAT",
     "q2c.change_product"),
    (blocked(R.PRODUCT_UNKNOWN, "", "product", "SEAT"), "Add the product", "/admin/q2c/product/add/?code=SEAT",
     "q2c.add_product"),
    (blocked(R.CUSTOMER_INACTIVE, "", "customer", "A-1"), "Open the customer", "/admin/q2c/customer/?q=A-1",
     "q2c.change_customer"),
    (blocked(R.LEGAL_ENTITY_UNDETERMINED, "", "legal_entity", "FR"), "Open the legal entity",
     "/admin/ledger/legalentity/?q=FR", "ledger.change_legalentity"),
    (blocked(R.POSTING_RULE_MISSING, "", "posting_rule", "invoice.issued"), "Open the posting rules",
     "/admin/ledger/postingrule/", "ledger.add_postingrule"),
    (blocked(R.ACCOUNT_UNKNOWN, "", "account_role", "DE:revenue"), "Open the accounts",
     "/admin/ledger/account/?q=revenue", "ledger.change_account"),
    (blocked(R.DIMENSION_MISSING, "", "dimension_rule", "4000:cost_center"), "Open the dimension rules",
     "/admin/ledger/dimensionrule/?q=cost_center", "ledger.change_dimensionrule"),
    # Its value comes from the item mapping of the product on that line.
    (blocked(R.DIMENSION_MISSING, "", "dimension_rule", "4000:cost_center", field="/lines/2/dimensions/cost_center",
             context={"findings": [{"seen": "SEAT"}]}), "Open the item mapping of SEAT",
     "/admin/q2c/itemmapping/?q=SEAT", "q2c.change_itemmapping"),
    (blocked(R.DIMENSION_INACTIVE, "", "cost_center", "CC-1"), "Open cost centre CC-1",
     "/admin/ledger/dimensionvalue/?q=CC-1", "ledger.change_dimensionvalue"),
    (blocked(R.FX_RATE_MISSING, "", "fx_rate", "EUR:USD"), "Open the exchange rates", "/admin/ledger/fxrate/?q=EUR",
     "ledger.add_fxrate"),
    # The deal itself.
    (blocked(R.INVOICE_ORDER_UNKNOWN, "", "order", "ORD-9"), "Find the order", "/orders?q=ORD-9", ""),
    (blocked(R.CURRENCY_NOT_ALLOWED, "", "legal_entity", "DE", business_key="SO-1"), "Find the order",
     "/orders?q=SO-1", ""),
    (blocked(R.PRICE_MISMATCH, "", "", "", business_key="SO-1"), "Find the order", "/orders?q=SO-1", ""),
    (blocked(R.CREDIT_APPROVAL_REQUIRED, "", "", "", state="awaiting_approval"), "Decide on it", "/approvals",
     "exceptions.approve_case q2c.approve_order"),
    (blocked(R.DISCOUNT_APPROVAL_REQUIRED, "", "", "", state="awaiting_approval"), "Decide on it", "/approvals",
     "exceptions.approve_case q2c.approve_order"),
    (blocked(R.DISCOUNT_APPROVAL_REQUIRED, "", "", "", business_key="SO-1"), "Find the order", "/orders?q=SO-1", ""),
]  # fmt: skip
ROLE_OF = {one.team: one.role for one in PEOPLE if one.team}


@pytest.mark.parametrize(("case", "label", "href", "right"), FIXES, ids=[f"{f[0].reason} {f[1]}" for f in FIXES])
def test_the_button_leads_to_what_stands_in_the_way_and_its_owner_may_put_it_right(
    platforms: None, case: Case, label: str, href: str, right: str
) -> None:
    found = cause.fix_of(case)
    assert found is not None
    assert (found.label, found.href, found.right) == (label, addressed(href), right)
    assert found.staff == href.startswith("/admin/")
    owner = POLICIES[R(case.reason)].owner
    assert set(right.split()) <= set(ROLES[ROLE_OF[owner]]), f"{TEAMS[owner]} owns it"


def addressed(href: str) -> str:
    """{erp} is the key of that connection."""
    return href.format_map({one.name: one.pk for one in Connection.objects.all()})


def test_what_nobody_can_name_has_no_button(platforms: None, monkeypatch: pytest.MonkeyPatch) -> None:
    assert cause.fix_of(Case(reason="request_refused", connection="gone")) is None
    monkeypatch.setattr(links, "to", lambda *_, **__: "")
    for case, _, href, _ in FIXES:
        # A page that is not installed is not offered; a platform's own address is always there.
        assert (cause.fix_of(case) is None) != href.startswith("https://")


def test_a_locked_button_names_the_right_and_who_has_it(company: Any) -> None:
    from tests.ui.test_case import refused

    case = refused(company)
    Case.objects.filter(id=case.id).update(
        blocker_connection="", blocker_type="tax_nexus", blocker_key="US:US-OR", reason="tax_nexus_missing"
    )
    for name, last in (("carla", "Weiss"), ("dmitri", "Hale")):
        of_role(name, "Controller", first_name=name.title(), last_name=last)
    eve = person("eve", "exceptions.view_case")
    text = page(signed_in(eve), f"/cases/{case.id}")
    assert "(q2c.add_taxnexus). Ask Carla Weiss or Dmitri Hale." in text
    mia = of_role("mia", "Controller")
    assert "You are not let into the admin" in page(signed_in(mia), f"/cases/{case.id}")
    mia.is_staff = True
    mia.save()
    assert 'href="/admin/q2c/taxnexus/?q=US"' in page(signed_in(mia), f"/cases/{case.id}")


def test_a_cause_of_several_orders_leads_to_none_of_them(platforms: None) -> None:
    assert cause.fix_of(Problem(reason=R.PRICE_MISMATCH)) is None
    one = Problem(reason=R.INVOICE_ORDER_UNKNOWN, blocker_type="order", blocker_key="ORD-9")
    found = cause.fix_of(one)
    assert found is not None and found.href == "/orders?q=ORD-9"


def test_a_problem_of_a_dimension_leads_to_the_mapping_of_its_products_as_its_cases_do(platforms: None) -> None:
    """Account 2400 asks for a cost centre; which product gives none is known of the cases only."""
    from exceptions.cases import open_for
    from q2c import keys
    from tests.exceptions.conftest import failure

    blocker = ("", "dimension_rule", "2400:cost_center", "dimension_missing")

    def stuck(product: str, field: str = "cost_center") -> Case:
        given = failure(
            step_id=keys.new_id(), reason=R.DIMENSION_MISSING, field=f"/lines/2/dimensions/{field}",
            context={"findings": [{"seen": product}]}, blocker=blocker,
        )  # fmt: skip
        return Case.objects.get(id=open_for([given], "engine")[given.step_id])

    case = stuck("PLUS")
    fix = cause.fix_of(case.problem)
    assert fix == cause.fix_of(case) and fix is not None
    assert (fix.label, fix.href) == ("Open the item mapping of PLUS", "/admin/q2c/itemmapping/?q=PLUS")
    stuck("SEAT")
    several = cause.fix_of(case.problem)
    assert several is not None and (several.label, several.href) == (
        "Open the item mappings", "/admin/q2c/itemmapping/",
    )  # fmt: skip
