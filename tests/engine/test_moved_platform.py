"""A connection does not move to another address while something that was sent to the old one may be there."""

from __future__ import annotations

import pytest
from django.core.exceptions import ValidationError

from q2c.connectors.outcomes import Accepted, Posted, Unknown
from q2c.engine import run
from q2c.models import Connection
from tests.engine import scripted
from tests.engine.scripted import Scripted, arrive, fresh, work

pytestmark = pytest.mark.django_db(transaction=True)


def moved(base_url: str) -> list[str]:
    """What is wrong with the new address."""
    platform = Connection.objects.get(name=scripted.CONNECTION)
    platform.base_url = base_url
    return [text for field, text in platform._wrong_addresses() if field == "base_url"]


def test_what_may_be_there_is_looked_for_there_first(verb: Scripted) -> None:
    (step,) = arrive("1")
    assert moved("https://elsewhere.example") == []
    verb.says["1"] = [Unknown(text="connection reset")]
    run.run_stage("scripted")
    (text,) = moved("https://elsewhere.example")
    assert text.startswith("1 step was sent to the address that is stored") and "a second time" in text
    platform = Connection.objects.get(name=scripted.CONNECTION)
    platform.base_url = "https://elsewhere.example"
    with pytest.raises(ValidationError, match="a second time"):
        platform.full_clean()
    # Another path there is the same platform.
    assert moved(f"{Connection.objects.get(name=scripted.CONNECTION).base_url}/other") == []
    verb.finds["1"] = [Posted(reference="there", found=True)]
    work(40)
    assert fresh(step).state == "done"
    assert moved("https://elsewhere.example") == []


def test_nor_while_something_that_failed_may_be_there(verb: Scripted) -> None:
    """Its replay would ask the new address about a job of the old one, find nothing, and send."""
    Connection.objects.update(job_limit_s=600)
    (step,) = arrive("1")
    going_on = Accepted(handle="job-7", poll_after_s=1800)
    verb.says["1"], verb.polls["1"] = [going_on], [going_on]
    work()
    work(600)
    assert (fresh(step).state, fresh(step).reason) == ("failed", "job_overdue")
    (text,) = moved("https://elsewhere.example")
    assert "their cases closed" in text
