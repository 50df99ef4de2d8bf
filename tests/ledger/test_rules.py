"""Which rule wins, from when, and why; what is missing has a name."""

from __future__ import annotations

import datetime as dt
from typing import Any

import pytest
from django.core.exceptions import ValidationError
from django.db import IntegrityError, transaction

from ledger import journal, rules
from ledger.facts import Fact, FactMalformed
from ledger.models import Account, Dimension, DimensionRule, DimensionValue, LegalEntity, PostingRule, PostingRuleLine
from q2c.reasons import Reason
from tests.ledger.makers import DAY, IMPLEMENTATION, SUBSCRIPTION, USAGE, booked, fact, invoice, line

OCTOBER, NOVEMBER = dt.date(2026, 10, 1), dt.date(2026, 11, 1)


def revenue_rule(name: str, role: str = "revenue", **match: Any) -> PostingRule:
    """One more rule for the revenue leg of invoices."""
    rule = PostingRule(name=name, leg="revenue", event_type="InvoiceIssued", **match)
    rule.full_clean()
    rule.save()
    PostingRuleLine.objects.create(rule=rule, position=20, side="credit", measure="net", account_role=role)
    return rule


def winner(told: Fact, leg: str = "revenue") -> str:
    [choice] = [choice for choice in rules.explain(told).choices if choice.leg == leg]
    return choice.winner


# The fact is a ratable subscription PLATFORM of US01 in USD with tax code SAAS.
SPECIFICITY = [
    # these rules compete, the first one wins
    ({"product": "PLATFORM"}, {"revenue_treatment": "ratable_monthly", "kind": "recurring", "tax_code": "SAAS"}),
    ({"revenue_treatment": "ratable_monthly", "currency": "USD"}, {"kind": "recurring", "tax_code": "SAAS"}),
    ({"kind": "recurring"}, {"tax_code": "SAAS", "currency": "USD"}),
    ({"tax_code": "SAAS"}, {"currency": "USD"}),
    ({"kind": "recurring", "currency": "USD"}, {"kind": "recurring"}),
    ({"product": "PLATFORM", "kind": "recurring"}, {"product": "PLATFORM", "tax_code": "SAAS"}),
]


@pytest.mark.parametrize(("stronger", "weaker"), SPECIFICITY)
def test_the_most_specific_rule_wins(
    entities: dict[str, LegalEntity], stronger: dict[str, str], weaker: dict[str, str]
) -> None:
    PostingRule.objects.filter(leg="revenue", event_type="InvoiceIssued").delete()
    revenue_rule("weaker", **weaker)
    revenue_rule("stronger", **stronger)
    told = fact(line(SUBSCRIPTION, 100, tax_code="SAAS"))
    assert winner(told) == "stronger v1"
    assert booked(journal.post_ready([told])[0].entry_id)[1] == ("revenue", -100)


def test_an_entitys_own_rule_goes_before_every_shared_one(entities: dict[str, LegalEntity]) -> None:
    revenue_rule("shared", product="PLATFORM", kind="recurring")
    revenue_rule("german", entity=entities["DE01"])
    assert winner(fact(line(SUBSCRIPTION, 100))) == "shared v1"
    assert winner(fact(line(SUBSCRIPTION, 100), entity_code="DE01", currency="EUR")) == "german v1"


def test_two_rules_for_the_same_facts_are_refused(entities: dict[str, LegalEntity]) -> None:
    revenue_rule("one", product="PLATFORM", effective_to=NOVEMBER)
    revenue_rule("next", product="PLATFORM", effective_from=NOVEMBER)
    with pytest.raises(ValidationError, match="Ambiguous: one v1"):
        revenue_rule("other", product="PLATFORM", effective_from=OCTOBER, effective_to=NOVEMBER)
    with pytest.raises(IntegrityError, match="posting_rule_unambiguous"), transaction.atomic():
        PostingRule.objects.create(
            name="other", leg="revenue", event_type="InvoiceIssued", product="PLATFORM", effective_from=OCTOBER
        )


@pytest.mark.parametrize(
    ("day", "role"),
    [
        (dt.date(2026, 9, 30), "deferred_revenue:subscription"),
        (OCTOBER, "revenue:subscription"),
        (dt.date(2026, 10, 31), "revenue:subscription"),
        (NOVEMBER, "deferred_revenue:subscription"),
    ],
)
def test_a_rule_holds_from_its_first_day_until_before_its_last(
    entities: dict[str, LegalEntity], day: dt.date, role: str
) -> None:
    revenue_rule("autumn", "revenue:subscription", product="PLATFORM", effective_from=OCTOBER, effective_to=NOVEMBER)
    [result] = journal.post_ready([fact(line(SUBSCRIPTION, 100), effective_on=day)])
    assert booked(result.entry_id)[1] == (role, -100)


def test_a_used_rule_is_frozen_and_a_change_makes_a_new_version(entities: dict[str, LegalEntity]) -> None:
    before = journal.post_ready([invoice()])[0]
    rule = PostingRule.objects.get(name="invoice receivable")
    assert rule.used_at is not None
    rule.leg = "other"
    with pytest.raises(IntegrityError, match="make a new version"), transaction.atomic():
        rule.save()
    new = rules.revise(rule, NOVEMBER, [_debit("gross", "unbilled_receivable")])
    assert (new.name, new.version, new.effective_from) == ("invoice receivable", 2, NOVEMBER)
    after = journal.post_ready([invoice(effective_on=NOVEMBER)])[0]
    assert booked(before.entry_id)[0] == ("accounts_receivable", 184_025)
    assert booked(after.entry_id)[0] == ("unbilled_receivable", 184_025)
    assert [one.lines[0].rule for one in journal.read([before.entry_id, after.entry_id])] == [
        "invoice receivable v1",
        "invoice receivable v2",
    ]


def _debit(measure: str, role: str) -> dict[str, Any]:
    return {"position": 10, "side": "debit", "measure": measure, "account_role": role, "grouping": "entry"}


def test_explain_tells_who_was_looked_at_and_why(entities: dict[str, LegalEntity]) -> None:
    revenue_rule("platform", product="PLATFORM")
    told = rules.explain(fact(line(SUBSCRIPTION, 100), line(USAGE, 50)))
    first, second = [choice for choice in told.choices if choice.leg == "revenue"]
    assert (first.winner, second.winner) == ("platform v1", "invoice usage v1")
    why = {looked.rule: looked.why for looked in first.looked}
    assert why["platform v1"] == "the most specific that fits: it names product, event type"
    assert why["invoice deferred, ratable_monthly v1"].startswith("fits, but is less specific than platform v1")
    assert why["invoice usage v1"] == "wants revenue treatment usage_as_billed, the fact has ratable_monthly"
    assert [(row.account_code, row.amount_minor, row.rule) for row in told.lines] == [
        ("1100", 150, "invoice receivable v1"),
        ("4000", -100, "platform v1"),
        ("4030", -50, "invoice usage v1"),
    ]


def test_explain_tells_what_no_rule_fits(entities: dict[str, LegalEntity]) -> None:
    told = rules.explain(fact(line(("X", "", "gift", "never"), 100)))
    assert [finding.reason for finding in told.findings] == [Reason.POSTING_RULE_MISSING]
    assert next(choice for choice in told.choices if choice.leg == "revenue").winner == ""


def closed(entities: dict[str, LegalEntity], state: str) -> None:
    from ledger import periods

    period = periods.period_for(entities["US01"], "receivables", DAY)
    (periods.close if state == "closed" else periods.soft_close)(period, by="test")


def inactive(what: Any, **where: Any) -> None:
    found = what.objects.get(**where)
    found.is_active = False
    found.save()


def required(entities: dict[str, LegalEntity]) -> None:
    DimensionRule.objects.filter(account__code="2410", dimension__code="region").update(requirement="required")


FINDINGS = {
    # name: (what is done to the master data, fact, reason, object type, object key, field)
    "unknown entity": (None, invoice(entity_code="FR01"), Reason.LEGAL_ENTITY_UNDETERMINED, "legal_entity", "FR01", "entity_code"),
    "inactive entity": (
        lambda e: inactive(LegalEntity, code="US01"), invoice(), Reason.LEGAL_ENTITY_UNDETERMINED, "legal_entity", "US01", "entity_code",
    ),
    "currency not traded": (
        lambda e: LegalEntity.objects.filter(code="US01").update(allowed_currencies=["USD"]),
        invoice(currency="EUR"), Reason.CURRENCY_NOT_ALLOWED, "legal_entity", "US01", "currency",
    ),
    "closed period": (lambda e: closed(e, "closed"), invoice(), Reason.PERIOD_CLOSED, "fiscal_period", "US01:receivables:2026-10", "effective_on"),
    "softly closed period": (lambda e: closed(e, "soft"), invoice(), Reason.PERIOD_CLOSED, "fiscal_period", "US01:receivables:2026-10", "effective_on"),
    "no period": (None, invoice(effective_on=dt.date(2027, 3, 1)), Reason.PERIOD_MISSING, "fiscal_period", "US01:receivables:2027-03", "effective_on"),
    "no rate": (None, invoice(currency="CHF"), Reason.FX_RATE_MISSING, "fx_rate", "CHF:USD", "currency"),
    "rate of a later day only": (
        None, invoice(currency="EUR", effective_on=dt.date(2025, 12, 31)), Reason.FX_RATE_MISSING, "fx_rate", "EUR:USD", "currency",
    ),
    "no rule": (None, invoice(event_type="Gift"), Reason.POSTING_RULE_MISSING, "posting_rule", "US01:Gift:", "lines/1"),
    "no rule for the second line": (
        None, fact(line(SUBSCRIPTION, 1), line(("X", "", "gift", "never"), 1)), Reason.POSTING_RULE_MISSING, "posting_rule", "US01:InvoiceIssued:revenue", "lines/2",
    ),
    "no account": (
        lambda e: Account.objects.filter(role="tax_payable").update(role="other"), invoice(), Reason.ACCOUNT_UNKNOWN, "account_role", "US01:tax_payable", "lines/1",
    ),
    "inactive account": (lambda e: inactive(Account, code="2200"), invoice(), Reason.ACCOUNT_INACTIVE, "account", "2200", "lines/1"),
    "ended account": (
        lambda e: Account.objects.filter(code="2410").update(effective_to=OCTOBER), invoice(), Reason.ACCOUNT_INACTIVE, "account", "2410", "lines/1",
    ),
    "inactive cost centre": (
        lambda e: inactive(DimensionValue, code="CC-410"),
        fact(line(SUBSCRIPTION, 1), line(IMPLEMENTATION, 1, dimensions={"cost_center": "CC-410"})),
        Reason.DIMENSION_INACTIVE, "cost_center", "CC-410", "lines/2/dimensions/cost_center",
    ),
    "cost centre of another entity": (
        lambda e: DimensionValue.objects.filter(code="CC-410").update(entity=e["DE01"]),
        fact(line(SUBSCRIPTION, 1, dimensions={"cost_center": "CC-410"})),
        Reason.DIMENSION_INACTIVE, "cost_center", "CC-410", "lines/1/dimensions/cost_center",
    ),
    "unknown cost centre": (
        None, fact(line(SUBSCRIPTION, 1, dimensions={"cost_center": "CC-999"})), Reason.DIMENSION_MISSING, "cost_center", "CC-999", "lines/1/dimensions/cost_center",
    ),
    "required and not given": (
        required, fact(line(SUBSCRIPTION, 1)), Reason.DIMENSION_MISSING, "dimension_rule", "2410:region", "lines/1/dimensions/region",
    ),
    "rules that do not balance": (
        lambda e: PostingRuleLine.objects.filter(rule__name="invoice receivable").update(measure="net"),
        invoice(), Reason.JOURNAL_UNBALANCED, "posting_rule", "US01:InvoiceIssued:", "lines",
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", FINDINGS)
def test_what_cannot_be_booked_has_a_name(entities: dict[str, LegalEntity], name: str) -> None:
    change, told, reason, kind, key, field = FINDINGS[name]
    if change:
        change(entities)
    [result] = journal.post_ready([told])
    assert result.outcome == "refused"
    found = {(f.reason, f.object_type, f.object_key, f.field) for f in result.findings}
    assert (reason, kind, key, field) in found, result.findings
    for finding in result.findings:
        if kind == "dimension_rule":
            assert finding.product == "PLATFORM" and "product PLATFORM on line 1 gives none" in finding.text
    assert len(found) == len(result.findings)


def test_every_finding_is_told_not_only_the_first(entities: dict[str, LegalEntity]) -> None:
    inactive(DimensionValue, code="CC-410")
    closed(entities, "closed")
    told = fact(
        line(SUBSCRIPTION, 1, dimensions={"cost_center": "CC-410"}), line(("X", "", "gift", "never"), 1), currency="CHF"
    )
    assert {finding.reason for finding in rules.derive([told])[0].findings} == {
        Reason.PERIOD_CLOSED,
        Reason.FX_RATE_MISSING,
        Reason.DIMENSION_INACTIVE,
        Reason.POSTING_RULE_MISSING,
    }


def test_dimensions_are_taken_defaulted_left_off_or_fixed_by_the_rule(entities: dict[str, LegalEntity]) -> None:
    rule = revenue_rule("fixed", product="FIXED")
    rule.lines.update(dimensions={"cost_center": "CC-300"})
    given = {"cost_center": "CC-200"}
    told = fact(
        line(SUBSCRIPTION, 1, dimensions=given, region="DE"),
        line(IMPLEMENTATION, 1),
        line(("FIXED", "usage", "usage", "ratable_daily"), 1, dimensions=given),
    )
    [derived] = rules.derive([told])
    assert derived.findings == ()
    assert [row.dimensions for row in derived.lines] == [
        {},
        {"cost_center": "CC-200", "product_line": "subscription", "region": "DE"},
        {"cost_center": "CC-100", "product_line": "implementation"},
        {"cost_center": "CC-300", "product_line": "usage"},
    ]


def test_an_entitys_own_account_goes_before_the_shared_one(entities: dict[str, LegalEntity]) -> None:
    own = Account.objects.create(
        entity=entities["DE01"], code="8400", name="Erlöse", type="liability", role="deferred_revenue:subscription"
    )
    told = [fact(line(SUBSCRIPTION, 1)), fact(line(SUBSCRIPTION, 1), entity_code="DE01", currency="EUR")]
    assert [one.lines[1].account_code for one in rules.derive(told)] == ["2410", own.code]


def test_overlapping_master_data_is_refused(entities: dict[str, LegalEntity]) -> None:
    with pytest.raises(IntegrityError, match="account_role_once"), transaction.atomic():
        Account.objects.create(code="9", name="x", type="asset", role="cash")
    with pytest.raises(ValidationError, match="on some of these days already"):
        Account(code="9", name="x", type="asset", role="cash").full_clean()
    dimension = Dimension.objects.get(code="region")
    with pytest.raises(IntegrityError, match="dimension_rule_once"), transaction.atomic():
        DimensionRule.objects.create(dimension=dimension, account_type="revenue", requirement="required")


@pytest.mark.parametrize("role", ["revenue:{colour}", "Revenue", "revenue:", ""])
def test_an_account_role_that_cannot_be_filled_is_refused(entities: dict[str, LegalEntity], role: str) -> None:
    rule = PostingRule.objects.get(name="receipt")
    with pytest.raises(ValidationError):
        PostingRuleLine(rule=rule, position=99, side="debit", measure="net", account_role=role).full_clean()


@pytest.mark.parametrize("wrong", [{"journal": "SAILS"}, {"subledger": "payables"}, {"currency": "XXX"}])
def test_a_malformed_fact_is_the_callers_mistake(wrong: dict[str, str]) -> None:
    with pytest.raises(ValueError, match=r"is not"):
        invoice(**wrong)


def test_amounts_are_whole_minor_units() -> None:
    with pytest.raises(FactMalformed):
        line(SUBSCRIPTION, 1.5)  # type: ignore[arg-type]
