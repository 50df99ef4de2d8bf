"""The page of a case about something that a platform gave and that could not be read."""

from __future__ import annotations

from typing import Any

import pytest

from exceptions.failures import RawItem
from exceptions.models import Case
from q2c.engine import intake
from q2c.models import Callout, Connection
from tests.ui.people import of_role
from tests.ui.test_case import act, page, words

pytestmark = pytest.mark.django_db
BUTTON = "Read it again"


def kept(source: str, key: str = "006000000000001AAA") -> Case:
    item = RawItem(body=b'{"Id": "006"}', source=source, text="the deal has no currency", business_key=key)
    (case_id,) = intake.keep_raw([item], f"poll:{source}")
    return Case.objects.get(id=case_id)


@pytest.fixture
def mia(company: Any) -> Any:
    Connection.objects.create(
        name="crm", title="Salesforce", vendor="salesforce", service="crm", base_url="http://127.0.0.1:9"
    )
    return of_role("mia", "Finance systems", first_name="Mia", last_name="Ochoa")


def test_it_is_read_again_at_the_press_of_a_button(mia: Any) -> None:
    case = kept("crm")
    shown = words(page(mia, f"/cases/{case.id}"))
    assert BUTTON in shown
    # Nothing was read, so nothing can be anywhere twice.
    assert "Proof of no duplicate" not in shown
    told = words(act(mia, case, verb="read_again"))
    assert "crm is asked for it again. This case ends by itself when it can be read." in told
    assert list(Callout.objects.values_list("connection", "reference")) == [("crm", "006000000000001AAA")]


@pytest.mark.parametrize(("source", "key"), [("webshop", "evt-1"), ("erp-de", "J-1"), ("crm", "")])
def test_what_nobody_can_be_asked_for_has_no_button(mia: Any, source: str, key: str) -> None:
    case = kept(source, key)
    assert BUTTON not in words(page(mia, f"/cases/{case.id}"))
    assert "It did not come from a platform that can be asked again" in words(act(mia, case, verb="read_again"))
    assert not Callout.objects.exists()
