"""A case whose cause is gone, and of which a dry run knows that it would fail for another, says so and for whom."""

from __future__ import annotations

import datetime as dt
from typing import Any

import pytest

from exceptions import unblock
from exceptions.models import Case
from ledger import periods
from ledger.models import FiscalPeriod
from q2c import clock
from q2c.engine import desk, offered, watch
from q2c.reading import close
from q2c.reading.coming import next_of
from tests.engine.makers import NOW, case, issue, order, run_all, step
from tests.past_guards import reopened
from tests.ui.people import boss, page, read, signed_in
from tests.ui.test_replay_follows import late

__all__ = ["late"]
pytestmark = pytest.mark.django_db


def test_what_the_dry_run_of_the_offer_found_is_the_headline_and_not_that_it_is_ready(company: Any, late: Case) -> None:
    rosa = boss()
    watch.watch_blockers()
    assert "Ready to replay" in read(signed_in(rosa), f"/cases/{late.id}"), "nobody has looked yet"
    # The period is open again: the tower names nothing that is gone.
    (blocked,) = close.blocked(rosa)
    assert blocked.reasons == [("cause_gone", 1)] and blocked.cases == 1
    tower = read(signed_in(rosa), "/").split("What blocks the close")[1]
    assert "Cause is gone, ready to replay 1" in tower and "Period closed" not in tower
    offered.look_at_offers()
    text = read(signed_in(rosa), f"/cases/{late.id}")
    head, rest = text.split("What to do", 1)
    todo = rest.split("Accounting impact")[0]
    assert "Ready to replay" not in text and "Cause is gone" not in text
    assert (
        "Dimension value inactive: INV-1" in head
        and "Would fail again" in head
        and "CC-410 is inactive in erp-de" in head
    )
    assert "receivables of DE01, October 2026 is open again".lower() in todo.replace("\xa0", " ").lower()
    assert "cost centre CC-410 in erp-de" in todo and "That is for Finance systems" in todo
    assert "then Finance systems" in text and "Controllers" in text
    assert "Ready" not in page(signed_in(rosa), f"/cases/{late.id}").split("<title>")[1].split("</title>")[0]
    # The queue and what blocks the close say the same.
    queue = read(signed_in(rosa), "/queue?tab=all")
    assert "Dimension value inactive" in queue and "then Finance systems" in queue and "No longer" not in queue
    assert unblock.ready(rosa, [case("INV-1")]) == set()
    (blocked,) = close.blocked(rosa)
    assert blocked.reasons == [("dimension_inactive", 1)] and blocked.cases == 1
    stopped = step("INV-1", "record_invoice")
    (coming,) = next_of([stopped], {stopped.id: case("INV-1")})
    assert "a dry run found something else in the way" in coming.text
    assert case("INV-1").owner_team_id == late.owner_team_id, "a dry run moves nothing"


def test_a_persons_dry_run_is_known_too_and_once_it_would_pass_the_case_is_ready(company: Any, late: Case) -> None:
    rosa = boss()
    watch.watch_blockers()
    client = signed_in(rosa)
    said = client.get(f"/cases/{late.id}/dry-run", headers={"HX-Request": "true"})
    assert said["HX-Redirect"] == f"/cases/{late.id}?dry_run=1", "the page itself says otherwise now"
    assert "Dimension value inactive: INV-1" in read(client, f"/cases/{late.id}?dry_run=1").split("What to do")[0]
    company["erp-de"].inactive.clear()
    assert "Ready to replay: INV-1" in read(client, f"/cases/{late.id}?dry_run=1").split("What to do")[0]
    assert case("INV-1").next_cause is None


def test_it_is_looked_at_anew_when_something_of_ours_is_put_right_or_the_case_is_opened(
    company: Any, late: Case
) -> None:
    watch.watch_blockers()
    offered.look_at_offers()
    assert case("INV-1").next_cause is not None
    company["erp-de"].inactive.clear()
    watch.changed("", "item_mapping")
    assert offered.look_at_offers() == 1 and case("INV-1").next_cause is None
    company["erp-de"].inactive.add(("cost_center", "CC-410"))
    with clock.at(NOW + dt.timedelta(minutes=9)):
        read(signed_in(boss()), f"/cases/{late.id}")
        assert offered.look_at_offers() == 1
    assert case("INV-1").next_cause is not None


def test_while_the_cause_stands_nothing_is_told_as_next(company: Any) -> None:
    october = FiscalPeriod.objects.get(entity__code="DE01", subledger="receivables", name="2026-10")
    periods.close(october, by="carla", why="October is done")
    issue("INV-1", order())
    run_all()
    rosa = boss()
    desk.dry_run(rosa, case("INV-1").id)
    assert case("INV-1").next_cause is None
    reopened(october, by="carla", why="one more")
