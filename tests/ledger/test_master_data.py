"""Periods, rates, entities, the chart, and who sees what."""

from __future__ import annotations

import datetime as dt
import itertools
from decimal import Decimal
from typing import Any

import pytest
from django.contrib.auth.models import AnonymousUser, Permission, User
from django.core.exceptions import ValidationError
from django.db import DatabaseError, IntegrityError, connection, transaction
from django_fsm import ConcurrentTransition, TransitionNotAllowed

from ledger import chart, fx, journal, periods
from ledger.facts import Finding
from ledger.models import (
    Account,
    Dimension,
    DimensionRule,
    DimensionValue,
    FiscalPeriod,
    FxRate,
    JournalEntry,
    LegalEntity,
    PostingRule,
    PostingRuleLine,
)
from q2c.reasons import Reason
from tests.ledger.makers import DAY, invoice
from tests.past_guards import reopened


def october(entities: dict[str, LegalEntity]) -> FiscalPeriod:
    found = periods.period_for(entities["US01"], "general", DAY)
    assert found is not None
    return found


def test_a_year_has_twelve_months_in_each_subledger(entities: dict[str, LegalEntity]) -> None:
    again = periods.ensure_year(entities["US01"], 2026)
    assert len(again) == 36
    months = sorted((p.name, p.starts_on, p.ends_on) for p in again if p.subledger == "revenue")
    assert months[0] == ("2026-01", dt.date(2026, 1, 1), dt.date(2026, 2, 1))
    assert months[11] == ("2026-12", dt.date(2026, 12, 1), dt.date(2027, 1, 1))
    assert all(a[2] == b[1] for a, b in itertools.pairwise(months))


def test_a_broken_year_begins_the_year_before(db: None) -> None:
    entity = LegalEntity.objects.create(
        code="IN01", name="IN", functional_currency="INR", country="IN", fiscal_year_start_month=4
    )
    names = sorted({p.name for p in periods.ensure_year(entity, 2027)})
    assert (names[0], names[-1], len(names)) == ("2026-04", "2027-03", 12)


def test_open_closed_and_reopened_with_a_reason(entities: dict[str, LegalEntity]) -> None:
    period = october(entities)
    assert periods.open_period(entities["US01"], "general", DAY) == period
    periods.soft_close(period, by="controller", why="month end")
    periods.close(period, by="controller", why="month end")
    found = periods.open_period(entities["US01"], "general", DAY)
    assert isinstance(found, Finding)
    assert (found.reason, found.object_key) == (Reason.PERIOD_CLOSED, "US01:general:2026-10")
    assert periods.first_open(entities["US01"], "general", DAY).name == "2026-11"  # type: ignore[union-attr]
    with pytest.raises(periods.ReasonMissing):
        periods.reopen(period, by="controller", why=" ")
    reopened(period, by="cfo", why="late invoice 4711")
    assert FiscalPeriod.objects.get(pk=period.pk).state == "open"
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT source, target, actor, why FROM q2c_transition WHERE record_id = %s ORDER BY id", [period.pk]
        )
        assert cursor.fetchall()[1:] == [
            ("open", "soft_closed", "controller", "month end"),
            ("soft_closed", "closed", "controller", "month end"),
            ("closed", "open", "cfo", "late invoice 4711"),
        ]
    # Its making, and one version per move.
    states = period.history.order_by("history_id").values_list("history_type", "state")
    assert list(states) == [("+", "open"), ("~", "soft_closed"), ("~", "closed"), ("~", "open")]


def test_two_who_close_at_once_do_not_both_win(entities: dict[str, LegalEntity]) -> None:
    mine, theirs = october(entities), october(entities)
    periods.soft_close(mine, by="one")
    with pytest.raises(ConcurrentTransition):
        periods.soft_close(theirs, by="two")


def test_illegal_moves_of_a_period(entities: dict[str, LegalEntity]) -> None:
    period = october(entities)
    with pytest.raises(TransitionNotAllowed):
        period.close()
    with pytest.raises(DatabaseError, match="no transition leads from open to closed"), transaction.atomic():
        FiscalPeriod.objects.filter(pk=period.pk).update(state="closed")
    with pytest.raises(DatabaseError), transaction.atomic():
        period.delete()


def test_periods_never_overlap(entities: dict[str, LegalEntity]) -> None:
    with pytest.raises(IntegrityError, match="period_no_overlap"), transaction.atomic():
        FiscalPeriod.objects.create(
            entity=entities["US01"],
            subledger="general",
            name="2026-10b",
            fiscal_year=2026,
            starts_on=dt.date(2026, 10, 31),
            ends_on=dt.date(2026, 11, 1),
        )


RATES = [
    ("before the first", dt.date(2026, 2, 28), None),
    ("on its day", dt.date(2026, 3, 1), "1.10"),
    ("until the next", dt.date(2026, 3, 14), "1.10"),
    ("the next", dt.date(2026, 3, 15), "1.12"),
    ("the last day it holds", dt.date(2026, 4, 19), "1.12"),
    ("a day too late", dt.date(2026, 4, 20), None),
    ("long after", dt.date(2026, 12, 31), None),
]


@pytest.mark.parametrize(("_", "day", "expected"), RATES)
def test_the_latest_rate_on_or_before_the_day(db: None, _: str, day: dt.date, expected: str | None) -> None:
    for on, rate, kind in (
        ("2026-03-15", "1.12", "spot"),
        ("2026-03-01", "1.10", "spot"),
        ("2026-01-01", "9", "closing"),
    ):
        FxRate.objects.create(from_currency="CHF", to_currency="USD", on=on, rate=Decimal(rate), kind=kind)
    found = fx.rate("CHF", "USD", day)
    if expected is None:
        assert isinstance(found, Finding)
        assert (found.reason, found.object_key) == (Reason.FX_RATE_MISSING, "CHF:USD")
    else:
        assert found == Decimal(expected)
    spread = fx.load([("CHF", "USD"), ("USD", "CHF")], (dt.date(2026, 1, 1), dt.date(2027, 1, 1)))
    assert spread["CHF", "USD"].on(day) == (Decimal(expected) if expected else None)
    assert spread["USD", "CHF"].on(day) is None


def test_a_rate_that_is_too_old_is_missing_and_the_text_names_its_day_and_the_remedy(db: None) -> None:
    FxRate.objects.create(from_currency="CHF", to_currency="USD", on="2025-01-01", rate=Decimal("1.10"))
    found = fx.rate("CHF", "USD", dt.date(2027, 11, 2))
    assert isinstance(found, Finding) and found.reason == Reason.FX_RATE_MISSING
    assert found.text == (
        "No spot rate from CHF to USD for 2027-11-02: the latest is of 2025-01-01, and one holds for 35 days. "
        "Load the rate of 2027-11-02, or of a day shortly before it"
    )


def test_one_currency_needs_no_rate(db: None) -> None:
    assert fx.rate("USD", "USD", DAY) == 1


WRONG_ENTITIES = [
    ({"functional_currency": "XXX"}, "functional_currency"),
    ({"allowed_currencies": ["USD", "DM"]}, "allowed_currencies"),
    ({"timezone": "Mars/Olympus"}, "timezone"),
    ({"code": "us 01"}, "code"),
    ({"fiscal_year_start_month": 13}, "fiscal_year_start_month"),
]


@pytest.mark.parametrize(("wrong", "field"), WRONG_ENTITIES)
def test_an_entity_that_cannot_be(db: None, wrong: dict[str, Any], field: str) -> None:
    given = {"code": "X1", "name": "X", "functional_currency": "USD", "country": "US"}
    with pytest.raises(ValidationError) as refused:
        LegalEntity(**given | wrong).full_clean()
    assert field in refused.value.message_dict


def test_the_groups_currency_is_the_roots(entities: dict[str, LegalEntity]) -> None:
    assert entities["JP01"].group_currency == "USD"
    us = entities["US01"]
    us.parent = entities["JP01"]
    with pytest.raises(ValidationError, match="above itself"):
        us.full_clean()


def test_history_of_what_a_person_edits(entities: dict[str, LegalEntity]) -> None:
    account = Account.objects.get(code="4010")
    account.name = "Recurring revenue"
    account._change_reason = "as the auditor calls it"
    account.save()
    latest = account.history.first()
    assert (latest.name, latest.history_change_reason) == ("Recurring revenue", "as the auditor calls it")


def test_installing_again_changes_nothing(entities: dict[str, LegalEntity]) -> None:
    before = [model.objects.count() for model in (Account, PostingRule, PostingRuleLine, FiscalPeriod)]
    chart.install(*entities.values(), years=(2026,))
    assert [model.objects.count() for model in (Account, PostingRule, PostingRuleLine, FiscalPeriod)] == before


@pytest.mark.parametrize("model", [Account, Dimension, DimensionValue, DimensionRule, PostingRule, PostingRuleLine])
def test_what_is_installed_is_what_a_form_would_take_and_has_its_history(
    entities: dict[str, LegalEntity], model: Any
) -> None:
    rows = list(model.objects.all())
    assert rows
    for row in rows:
        row.full_clean()
        assert [made.history_type for made in row.history.all()] == ["+"]


def test_installing_asks_as_much_for_all_as_for_one(
    entities: dict[str, LegalEntity], django_assert_max_num_queries: Any
) -> None:
    with django_assert_max_num_queries(15):
        chart.install()


def test_what_was_renamed_by_a_person_is_left(entities: dict[str, LegalEntity]) -> None:
    Account.objects.filter(code="1000").update(name="Bank")
    chart.install()
    assert Account.objects.get(code="1000").name == "Bank"


def test_entries_are_seen_with_the_right_and_not_without(entities: dict[str, LegalEntity]) -> None:
    journal.post_ready([invoice()])
    clerk = User.objects.create_user("clerk")
    assert not JournalEntry.objects.visible_to(clerk).exists()
    assert not JournalEntry.objects.visible_to(AnonymousUser()).exists()
    clerk.user_permissions.add(Permission.objects.get(codename="view_journalentry"))
    clerk = User.objects.get(pk=clerk.pk)
    assert JournalEntry.objects.visible_to(clerk).count() == 1
    assert not Account.objects.visible_to(clerk).exists()
    clerk.is_active = False
    assert not JournalEntry.objects.visible_to(clerk).exists()


@pytest.mark.parametrize("codename", ["close_period", "reopen_period", "reverse_journalentry", "view_fiscalperiod"])
def test_the_rights_exist(db: None, codename: str) -> None:
    assert Permission.objects.filter(content_type__app_label="ledger", codename=codename).exists()
