"""What needs a person now: the gravest first, and nothing grave left out for what is not."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator
from decimal import Decimal
from typing import Any

import pytest

from exceptions import casework
from exceptions.models import Case
from ledger.models import FxRate, LegalEntity
from q2c import clock
from q2c.reading import attention
from tests.exceptions.conftest import NOW, opened
from tests.ui.people import of_role

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def _ten_o_clock() -> Iterator[None]:
    with clock.at(NOW):
        yield


@pytest.fixture
def mia() -> Any:
    return of_role("mia", "Controller", team="controllers")


def caused(number: int, reason: str, **given: Any) -> Case:
    """A case with a cause of its own."""
    blocker = ("erp-de", "cost_center", f"CC-{number}", "inactive")
    return opened(reason=reason, blocker=blocker, business_key=f"INV-{number}", **given)


def late(case: Case, hours: int) -> None:
    Case.objects.filter(id=case.id).update(due_at=NOW - dt.timedelta(hours=hours))


def shown(user: Any) -> list[str]:
    return [f"{card.problem.severity} {card.problem.blocker_key}" for card in attention.now(user).cards]


def test_an_urgent_cause_stands_before_many_normal_ones_however_many_cases_they_hold(mia: Any) -> None:
    normal = [caused(n, "dimension_missing") for n in range(8) for _ in range(3)]
    assert {case.severity for case in normal} == {"normal"}
    urgent = caused(90, "period_closed")
    assert urgent.severity == "urgent"
    assert shown(mia)[0] == "urgent CC-90"
    assert (len(shown(mia)), attention.now(mia).more_cards) == (6, 3)


def test_of_one_severity_what_is_late_comes_first_and_then_the_most_money_in_one_currency(mia: Any) -> None:
    LegalEntity.objects.create(
        code="US", name="Tern", functional_currency="USD", country="US", regions=["US"], timezone="UTC"
    )
    for code, rate in (("EUR", "1.10"), ("JPY", "0.0067")):
        FxRate.objects.create(from_currency=code, to_currency="USD", on=NOW.date(), rate=Decimal(rate))
    # 1,000,000 yen are less than 10,000 euros, though more in number.
    caused(1, "dimension_missing", amount_minor=1_000_000, currency="JPY")
    caused(2, "dimension_missing", amount_minor=1_000_000, currency="EUR")
    late(caused(3, "dimension_missing", amount_minor=100, currency="EUR"), 2)
    assert shown(mia) == ["normal CC-3", "normal CC-2", "normal CC-1"]


def test_a_cause_counts_the_cases_that_need_a_person(mia: Any) -> None:
    cases = [caused(1, "dimension_missing", amount_minor=100, currency="EUR") for _ in range(3)]
    casework.snooze(mia, [cases[0].id], until=NOW + dt.timedelta(days=1))
    asleep = caused(2, "dimension_missing")
    casework.snooze(mia, [asleep.id], until=NOW + dt.timedelta(days=1))
    found = attention.now(mia)
    assert found.to_do == 2 and [(card.cases, card.sums) for card in found.cards] == [(2, [(200, "EUR")])]


def test_due_first_never_hides_an_urgent_case_that_is_due_soon(mia: Any) -> None:
    for number in range(8):
        late(caused(number, "dimension_missing"), 10 + number)
    urgent = caused(90, "period_closed")
    found = attention.now(mia).latest
    assert len(found) == 7 and found[-1].id == urgent.id
    assert [case.business_key for case in found[:6]] == [f"INV-{number}" for number in (7, 6, 5, 4, 3, 2)]
    assert sorted(found, key=lambda case: case.due_at) == found


def test_what_is_late_stands_before_urgent_cases_that_are_due_later(mia: Any) -> None:
    """Seven urgent ones that are due soon leave no late one out."""
    for number in range(7):
        caused(90 + number, "period_closed")
    behind = [late(caused(number, "dimension_missing"), 10 + number) for number in range(2)]
    found = attention.now(mia).latest
    assert len(found) == 6 and [case.business_key for case in found[:2]] == ["INV-1", "INV-0"], behind
    assert {case.severity for case in found[2:]} == {"urgent"}
