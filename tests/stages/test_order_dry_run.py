"""The dry run of an order asks credit and tax as a replay would, and tells one verdict.

Acme may owe 20,000 softly and 50,000 at most.
"""

from __future__ import annotations

from typing import Any

import pytest

from q2c.engine import desk as cases
from q2c.models import Attempt
from tests.engine.makers import person
from tests.stages.conftest import Desk
from tests.stages.test_acceptance import seats
from tests.stages.test_signatures import owes

pytestmark = pytest.mark.django_db(transaction=True)


def looked(desk: Desk, who: Any) -> dict[str, Any]:
    seen = cases.dry_run(who, desk.case.id)
    assert seen is not None
    return seen


def test_what_the_services_would_say_is_asked_and_nothing_is_kept(desk: Desk) -> None:
    ann = person("ann")
    owes(desk, "60000.00")
    desk.comes(**seats(10))
    desk.works()
    assert desk.case.reason == "credit_refused"
    calls = Attempt.objects.count()
    seen = looked(desk, ann)
    assert (seen["passes"], [one["reason"] for one in seen["findings"]]) == (False, ["credit_refused"])
    assert "would" not in seen["other"], "one verdict, not two"
    owes(desk, "0.00")
    seen = looked(desk, ann)
    assert (seen["passes"], seen["sure"], seen["findings"]) == (True, True, [])
    assert seen["other"]["would"] == "accept the order"
    assert seen["checks"][-1] == {
        "name": "platform",
        "ok": True,
        "text": "credit and avatax would take this as it stands",
    }
    assert (desk.step.state, desk.order.state, Attempt.objects.count()) == ("failed", "received", calls)
    cases.replay_one(ann, desk.case.id)
    desk.works()
    assert desk.order.state == "accepted"


def test_what_our_own_controls_find_and_what_a_service_says_are_told_together(desk: Desk) -> None:
    owes(desk, "60000.00")
    desk.comes(**seats(10, amount_minor=5))
    desk.works()
    seen = looked(desk, person("ann"))
    assert [one["reason"] for one in seen["findings"]] == ["price_mismatch", "credit_refused"]
    assert "would" not in seen["other"]


def test_a_service_that_is_silent_is_no_promise(desk: Desk) -> None:
    owes(desk, "60000.00")
    desk.comes(**seats(10))
    desk.works()
    desk.credit.fault("unavailable")
    seen = looked(desk, person("ann"))
    assert (seen["passes"], seen["sure"]) == (True, False)
    assert seen["checks"][-1]["text"].startswith("credit did not answer")


def test_what_a_second_person_has_to_sign_is_told_until_it_is_signed(desk: Desk) -> None:
    owes(desk, "15000.00")
    desk.comes(**seats(10))
    desk.works()
    assert desk.asked().action == "credit_approval_required"
    seen = looked(desk, person("ann"))
    assert [one["reason"] for one in seen["findings"]] == ["credit_approval_required"]
