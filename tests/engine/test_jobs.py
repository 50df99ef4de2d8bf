"""What a platform accepted and works on: it has a limit, and is asked about before anything is sent a second time."""

from __future__ import annotations

import datetime as dt
from typing import Any

import pytest

from exceptions.models import Case
from q2c.connectors.outcomes import Accepted, Posted, Rejected, Unavailable, Unknown
from q2c.engine import gates, replay, run, sweep
from q2c.engine.claim import claim
from q2c.models import Connection, Step
from q2c.reasons import Reason
from tests.engine.scripted import NOW, Scripted, arrive, fresh, later, path, work

pytestmark = pytest.mark.django_db(transaction=True)
GOES_ON = Accepted(handle="job-7", poll_after_s=1800)
DAY_S = 24 * 3600


@pytest.fixture
def overdue(verb: Scripted) -> Step:
    """Accepted at nine, and still at work a day later."""
    (step,) = arrive("1")
    verb.says["1"] = [GOES_ON]
    verb.polls["1"] = [GOES_ON] * 1000
    work()
    for half_hours in range(1, 49):
        assert fresh(step).state == "accepted"
        work(half_hours * 1800)
    return fresh(step)


def test_a_job_that_does_not_end_comes_to_a_person(verb: Scripted, overdue: Step) -> None:
    assert (overdue.state, overdue.reason, overdue.sent_at) == ("failed", "job_overdue", NOW)
    case = Case.objects.get(step_id=overdue.id)
    assert "job-7" in case.text and "2026-03-02 09:00 UTC" in case.text
    assert (case.reason, case.owner_team_id) == ("job_overdue", "finance-systems")
    assert verb.names().count("poll") == 48


def test_a_replay_asks_about_the_job_and_gives_it_another_limit(verb: Scripted, overdue: Step) -> None:
    replay.replay([overdue.id], "ann")
    verb.calls.clear()
    verb.polls["1"] = [GOES_ON, Unavailable(text="503"), Posted(reference="doc-1", document="J1")]
    work(DAY_S + 60)
    assert (fresh(overdue).state, fresh(overdue).accepted_at) == ("accepted", NOW + dt.timedelta(seconds=DAY_S + 60))
    for hours in (1, 2):
        work(DAY_S + hours * 3600)
    assert (fresh(overdue).state, fresh(overdue).document) == ("done", "J1")
    assert verb.names() == ["poll"] * 3, "nothing was sent, and no empty search was believed"


def test_a_job_that_was_cancelled_there_is_sent_again(verb: Scripted, overdue: Step) -> None:
    """Cancelled in the platform, it is surely not done: the replay says so, and the next one sends."""
    verb.polls["1"] = [Rejected(reason=Reason.REQUEST_REFUSED, text="the job was cancelled")]
    replay.replay([overdue.id], "ann")
    work(DAY_S + 60)
    assert (fresh(overdue).state, fresh(overdue).sent_at, fresh(overdue).handle) == ("failed", None, "")
    replay.replay([overdue.id], "ann")
    verb.calls.clear()
    work(DAY_S + 120)
    assert fresh(overdue).state == "done"
    assert verb.names() == ["look_up", "call"]


def test_a_job_that_nobody_knows_any_more_is_looked_up(verb: Scripted, overdue: Step) -> None:
    verb.polls["1"] = [Unknown(text="no such job")]
    verb.finds["1"] = [Posted(reference="doc-1", document="J1", found=True)]
    replay.replay([overdue.id], "ann")
    work(DAY_S + 60)
    work(DAY_S + 3600)
    assert (fresh(overdue).state, fresh(overdue).document, fresh(overdue).handle) == ("done", "J1", "")
    assert verb.names()[-2:] == ["poll", "look_up"]
    assert verb.names().count("call") == 1


def test_the_limit_is_the_connections(verb: Scripted) -> None:
    Connection.objects.update(job_limit_s=600)
    (step,) = arrive("1")
    verb.says["1"], verb.polls["1"] = [GOES_ON], [GOES_ON]
    work()
    assert fresh(step).next_at == NOW + dt.timedelta(seconds=600), "not later, whatever the platform says"
    work(600)
    assert (fresh(step).state, fresh(step).reason) == ("failed", "job_overdue")


def test_a_worker_lost_while_it_asked_about_a_job_leaves_the_job(verb: Scripted) -> None:
    """An empty search would be no proof while the job goes on: it is not looked up, and not sent again."""
    (step,) = arrive("1")
    verb.says["1"] = [GOES_ON]
    work()
    with later(1800):
        assert [claimed.phase for claimed in claim("scripted")] == ["poll"]
    with later(1921):
        assert sweep.sweep()["lost"] == 1
    assert (fresh(step).state, fresh(step).sent_at) == ("accepted", NOW)
    work(1921)
    assert (fresh(step).state, verb.names()) == ("done", ["call", "poll"])


def test_a_worker_without_its_lease_leaves_the_job(verb: Scripted) -> None:
    """It was stopped until its lease was over, and no sweep has come yet: that is no word about the job."""
    (step,) = arrive("1")
    verb.says["1"] = [GOES_ON]
    work()
    with later(1800):
        claimed = claim("scripted")
    with later(1921):
        run.run_claimed("scripted", claimed)
    assert (fresh(step).state, fresh(step).text, fresh(step).handle) == ("accepted", gates.OVER, "job-7")


def test_a_connector_that_breaks_over_a_job_sends_nothing_anew(verb: Scripted) -> None:
    (step,) = arrive("1")
    verb.says["1"], verb.polls["1"] = [GOES_ON], [ZeroDivisionError("in the connector")]
    work()
    work(1800)
    assert (fresh(step).state, fresh(step).reason, fresh(step).handle) == ("failed", "internal_error", "job-7")
    replay.replay([step.id], "ann")
    work(1801)
    assert (fresh(step).state, verb.names()) == ("done", ["call", "poll", "poll"])
    assert path(step)[-3:] == ["waiting", "running", "done"]


def test_a_limit_below_a_second_is_refused(verb: Scripted) -> None:
    """Such a job could not be asked about once."""
    connection: Any = Connection.objects.get()
    connection.job_limit_s = 0
    with pytest.raises(Exception, match="greater than or equal to 1"):
        connection.full_clean()


def test_a_finished_job_that_made_something_else_is_looked_for_by_a_replay(verb: Scripted) -> None:
    """The job's own word would be the same for ever; what stands there is compared with today's request."""
    (step,) = arrive("1")
    differs = Rejected(reason=Reason.CONTENT_DIFFERS, text="other content than was sent", held=True)
    verb.says["1"], verb.polls["1"] = [Accepted(handle="job-7", poll_after_s=1800)], [differs] * 5
    verb.finds["1"] = [Posted(reference="doc-1", document="J1", found=True)]
    work()
    work(1800)
    assert (fresh(step).state, fresh(step).reason, fresh(step).handle) == ("failed", "content_differs", "")
    replay.replay([step.id], "ann")
    work(1900)
    assert (fresh(step).state, verb.names()) == ("done", ["call", "poll", "look_up"])


def test_a_number_that_was_taken_before_leaves_no_job_to_ask_about(verb: Scripted) -> None:
    (step,) = arrive("1")
    verb.says["1"] = [Accepted(handle="job-7", poll_after_s=1800)]
    verb.polls["1"] = [Rejected(reason=Reason.CONTENT_DIFFERS, text="was there", held=True, was_there=True)]
    work()
    work(1800)
    assert (fresh(step).state, fresh(step).sent_at, fresh(step).handle) == ("failed", None, "")
