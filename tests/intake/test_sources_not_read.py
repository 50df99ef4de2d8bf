"""A source that turns away every poll is a person's after a time, though it is not down and asks for nothing but time."""

from __future__ import annotations

import pytest

from exceptions.models import Case, Offer, Policy
from exceptions.models.case import UNRESOLVED
from q2c import clock
from q2c.engine import breaker, pauses, retry
from q2c.engine.source import actor_of
from q2c.models import Breaker, Connection, PollCursor
from q2c.reasons import Reason
from q2c.ui import cause
from tests.exceptions.conftest import opened
from tests.intake.platforms import Org, numbers

pytestmark = pytest.mark.django_db

LONG_S = 1800


def fails(org: Org, *at_s: float) -> None:
    """Steps are answered there meanwhile, so its breaker never trips."""
    for seconds in at_s:
        assert org.poll(seconds) == 0
        breaker.heard("crm")


@pytest.mark.parametrize("fault", ["too_many", "unavailable"])
def test_what_is_turned_away_for_long_is_a_persons_until_it_is_read(org: Org, fault: str) -> None:
    """9:00 read; from 9:05 each poll fails; 9:34:59 nobody is told yet, 9:35 somebody is, once; 15:00 it is read."""
    org.poll()
    org.control.fault(fault)
    org.close("SO-1")
    fails(org, 300, 1200, 300 + LONG_S - 1)
    assert not Case.objects.exists()
    fails(org, 300 + LONG_S, 4000, 20_000)
    case = Case.objects.get()
    assert (case.reason, case.source, case.owner_team_id, case.state) == ("source_not_read", "crm", "platform", "open")
    assert case.text.startswith(
        "Salesforce (crm) was last read 2026-01-20 09:00 UTC, and each try has failed since 2026-01-20 09:05 UTC: Sale"
    )
    assert case.attempts == 1 and not Breaker.objects.filter(opened_at__isnull=False).exists()
    fix = cause.fix_of(case)
    assert fix is not None and fix.href.endswith("/admin/q2c/connection/?q=crm")
    org.control.calm()
    assert org.poll(21_600) == 1
    case.refresh_from_db()
    assert (case.state, case.resolution, numbers()) == ("resolved", "resolved_by_itself", ["SO-1"])
    assert PollCursor.objects.get().failing_at is None


def test_a_query_that_the_platform_let_go_is_put_anew_and_nobodys(org: Org) -> None:
    """Its next page is gone, again and again: a person's after half an hour, like all that passes by itself."""
    org.close(*(f"SO-{i}" for i in range(5)))
    org.control.seed(page_size=2, locators_kept=0)
    assert org.poll() == 2
    assert "invalid query locator" in PollCursor.objects.get().text
    fails(org, 20)
    assert not Case.objects.exists() and not pauses.paused()
    assert not Breaker.objects.filter(failures__gt=0).exists(), "it answers"
    org.control.seed(locators_kept=10)
    assert org.poll(40) == 3 and len(set(numbers())) == 5
    org.control.seed(locators_kept=0)
    org.poll(60)
    fails(org, 60 + LONG_S)
    assert Case.objects.get().reason == "source_not_read"


def test_the_next_time_is_another_case(org: Org) -> None:
    org.poll()
    for begin_s in (60, 10_000):
        org.control.fault("too_many")
        fails(org, begin_s, begin_s + LONG_S)
        org.control.calm()
        org.poll(begin_s + LONG_S + 20)
    assert list(Case.objects.values_list("state", flat=True)) == ["resolved"] * 2


def test_one_that_was_never_read_says_so_and_the_time_is_the_policys(org: Org) -> None:
    Policy.objects.filter(reason=Reason.SOURCE_NOT_READ).update(retry_attempts=3)
    org.control.fault("too_many")
    fails(org, 0, 59)
    assert not Case.objects.exists()
    fails(org, 60)
    assert "was never read yet, and each try has failed since 2026-01-20 09:00 UTC" in Case.objects.get().text


def test_a_case_that_says_what_else_is_wrong_stays_the_one(org: Org) -> None:
    """Credentials are refused all morning, and now and then the platform is busy."""
    connection = Connection.objects.get()
    good = connection.credentials
    connection.credentials = good | {"consumer_secret": "wrong"}
    connection.save()
    for seconds in (0, 3600):
        org.poll(seconds)
    org.control.fault("too_many")
    fails(org, 3620)
    assert [case.reason for case in Case.objects.filter(state__in=UNRESOLVED)] == ["credentials_refused"]


def test_one_that_lets_us_in_again_has_what_waited_for_that_offered(org: Org) -> None:
    """Whoever put it right, and where: a step was refused as the polls were, and the next poll comes to its end."""
    connection = Connection.objects.get()
    good = connection.credentials
    connection.credentials = good | {"consumer_secret": "wrong"}
    connection.save()
    blocker = ("crm", "connection", "crm", "credentials_refused")
    step = opened(reason="credentials_refused", connection="crm", blocker=blocker, stage="write_back")
    org.poll()
    told = Case.objects.get(step_id=None)
    assert (told.reason, told.problem_id) == ("credentials_refused", step.problem_id)
    # Nobody hears of it as it is saved: it is the poll that notices.
    Connection.objects.filter(pk=connection.pk).update(credentials=good)
    org.poll(3600)
    assert Case.objects.get(pk=told.pk).state == "resolved"
    offer = Offer.objects.get()
    assert (offer.blocker, offer.cases, offer.raised_by) == (blocker, 1, actor_of(connection))
    org.poll(3620)
    assert Offer.objects.count() == 1


def test_a_budget_ends_however_it_is_edited() -> None:
    assert retry.longest(Reason.SOURCE_NOT_READ) == clock.seconds(LONG_S)
    Policy.objects.filter(reason=Reason.SOURCE_NOT_READ).update(retry_attempts=2**15 - 1, retry_max_s=2**31 - 1)
    assert retry.longest(Reason.SOURCE_NOT_READ) == clock.days(1)
