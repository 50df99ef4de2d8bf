"""Cards of causes tell the truth about who has their cases, what is late, and where they are found."""

from __future__ import annotations

import datetime as dt
import re
from importlib import import_module
from typing import Any

import pytest
from django.apps import apps
from django.urls import reverse

from exceptions import casework, problems, unblock
from exceptions.failures import RawItem
from exceptions.models import Case, Offer, Problem
from exceptions.raw import open_raw
from q2c import clock, keys
from tests.engine.makers import NOW, case, issue, order, person, run_all
from tests.exceptions.conftest import opened
from tests.ui.people import of_role, page

pytestmark = pytest.mark.django_db


@pytest.fixture
def stuck(company: Any) -> Case:
    """A journal that meets a cost centre which is switched off."""
    company["erp-de"].inactive.add(("cost_center", "CC-410"))
    issue("INV-1", order())
    run_all()
    return case("INV-1")


def test_what_is_snoozed_is_late_for_nobody(stuck: Case) -> None:
    ann, problem_id = person("ann"), stuck.problem_id
    assert problem_id is not None
    assert problems.totals([problem_id])[problem_id].oldest_due_at == stuck.due_at
    casework.snooze(ann, [stuck.id], until=NOW + dt.timedelta(days=9), why="the owner is away")
    assert problems.totals([problem_id])[problem_id].oldest_due_at is None


def test_what_blocks_the_close_is_found_behind_its_link_when_it_is_snoozed(stuck: Case, client: Any) -> None:
    casework.snooze(person("ann"), [stuck.id], until=NOW + dt.timedelta(days=9), why="the owner is away")
    client.force_login(of_role("carla", "Controller"))
    tower = page(client, "/")
    link = next(part.split('"')[0] for part in tower.split('href="') if part.startswith("/queue?tab=all"))
    assert "INV-1" in page(client, link.replace("&amp;", "&"))


def test_an_offer_comes_by_itself_to_a_queue_that_is_open(stuck: Case, client: Any) -> None:
    client.force_login(of_role("carla", "Controller"))
    assert f'hx-get="{reverse("offers-ready")}"' in page(client, "/queue")
    assert "offer-" not in page(client, reverse("offers-ready"))
    made = Offer.objects.create(
        title="CC-410 is active again", blocker_condition="inactive", blocker_type="cost_center", blocker_key="CC-410",
        blocker_connection="erp-de", cases=1, created_at=clock.now(), counted_at=clock.now(), raised_by="watch",
        correlation_id=keys.new_id(),
    )  # fmt: skip
    assert f"offer-{made.pk}" in page(client, reverse("offers-ready"))


def test_a_failed_credit_makes_no_failed_invoice_smaller(company: Any, client: Any) -> None:
    """On the tower (now and close), the cards, the problem, its table and the queue."""
    one = opened(amount_minor=712_166, currency="USD", entity="DE01")
    opened(amount_minor=-4_368_621, currency="USD", entity="DE01", business_key="CM-1")
    client.force_login(of_role("carla", "Controller"))
    for address, most in (("/", 2), ("/problems", 1), (f"/problems/{one.problem_id}", 2), ("/queue", 1)):
        said = " ".join(re.sub(r"<[^>]*>", " ", page(client, address)).split()).replace(" .", ".")
        assert said.count("of credits") == most, address
        assert "36,564.55" not in said and "−36.6k" not in said, address
        assert re.search(r"USD 7,121 ?\.66 USD −43,686 ?\.21 of credits|USD 7\.1k USD −43\.7k of credits", said), said


def test_of_what_came_in_unreadable_no_replay_is_offered(client: Any) -> None:
    """Neither on the problem nor on its card: each case says how it comes again."""
    first = raw("e-1")
    client.force_login(of_role("carla", "Controller"))
    addresses = ("/problems", "/queue", f"/problems/{first.problem_id}")
    for address in addresses:
        shown = page(client, address)
        assert "Open e-1" in shown and f'href="/cases/{first.id}"' in shown, address
        assert "Replay it" not in shown and reverse("problem-replay", args=[first.problem_id]) not in shown, address
    assert "There is nothing to replay: it came in unreadable." in page(client, addresses[-1])
    raw("e-2")
    for address in addresses:
        shown = page(client, address)
        assert "Open its cases" in shown and "Replay 2" not in shown, address
        assert reverse("problem-replay", args=[first.problem_id]) not in shown, address


def test_beside_a_step_of_the_same_cause_what_can_be_replayed_is(client: Any) -> None:
    """Whatever code each of them got, and though nothing is known to stand in the way of what came in unreadable."""
    kept = raw("8ad1", reason="credentials_refused", source="zuora", code="401")
    step = refused_by("zuora", code="90000011")
    assert kept.problem_id == step.problem_id == refused_by("zuora", code="403").problem_id
    assert (kept.blocker, step.blocker) == (None, ("zuora", "connection", "zuora", "credentials_refused"))
    assert refused_by("erp-de").problem_id != step.problem_id
    client.force_login(of_role("carla", "Controller"))
    shown = page(client, f"/problems/{step.problem_id}")
    assert reverse("problem-replay", args=[step.problem_id]) in shown
    assert "Credentials refused: connection zuora" in shown


def test_of_what_only_polls_are_refused_no_replay_is_offered(client: Any) -> None:
    kept = raw("8ad1", reason="credentials_refused", source="zuora", code="401")
    client.force_login(of_role("carla", "Controller"))
    assert reverse("problem-replay", args=[kept.problem_id]) not in page(client, f"/problems/{kept.problem_id}")


def test_a_cause_is_gone_though_a_poll_has_still_to_find_out() -> None:
    """What a poll met ends with the next one, and is no reason to call the steps' cause alive."""
    step = refused_by("zuora")
    raw("8ad1", reason="credentials_refused", source="zuora", code="401")
    carla = of_role("carla", "Controller")
    assert unblock.gone_now(carla, [step.problem]) == set()
    assert step.blocker is not None
    unblock.blocker_gone(*step.blocker)
    assert unblock.gone_now(carla, [step.problem]) == {step.problem_id}


def test_cases_from_before_are_one_problem_of_their_connection() -> None:
    """As they were kept: by the code, and with nothing in the way that had a name. One names no connection at all."""
    old = [opened(reason="credentials_refused", connection="zuora", code=code, blocker=None) for code in ("401", "403")]
    kept = Case.objects.get(id=raw("8ad1", reason="record_missing", source="zuora", code="401").id)
    Problem.objects.filter(pk=kept.problem_id).update(reason="credentials_refused", fingerprint="as-it-was")
    Case.objects.filter(pk=kept.pk).update(reason="credentials_refused")
    nowhere = opened(reason="credentials_refused", connection="", code="401", blocker=None)
    migration = import_module("exceptions.migrations.0020_connections_that_let_us_in")
    migration.one_problem_each(apps, None)
    known = {one.pk: one for one in Case.objects.select_related("problem")}
    assert len({known[one.pk].problem_id for one in (*old, kept)}) == 1
    assert [known[one.pk].blocker for one in old] == [("zuora", "connection", "zuora", "credentials_refused")] * 2
    assert (known[kept.pk].blocker, known[nowhere.pk].blocker) == (None, None)
    # What fails for it from now on is found by the same mark, and is no other cause.
    mine = known[old[0].pk]
    assert refused_by("zuora").problem_id == mine.problem_id
    assert mine.problem.title == "Credentials refused: connection zuora"
    assert problems.totals([mine.problem_id])[mine.problem_id].cases == 4
    ended = Problem.objects.filter(id__in=problems.settle())
    assert {problem.code for problem in ended} == {"403", "401"}


def refused_by(connection: str, **more: Any) -> Case:
    """The case of a step whose connection is not let in."""
    blocker = (connection, "connection", connection, "credentials_refused")
    return opened(reason="credentials_refused", connection=connection, blocker=blocker, **more)


def raw(key: str, **more: Any) -> Case:
    told = {"source": "shop", "text": "no lines", "code": "missing", **more}
    item = RawItem(body=key.encode(), business_key=key, **told)
    return Case.objects.get(id=open_raw([item], "api")[0])
