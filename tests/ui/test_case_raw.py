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


def test_what_its_system_names_by_a_urn_is_known_by_its_sender_and_the_key_inside(mia: Any) -> None:
    """In each row of a list; the URN is told to whoever points at it, and on the page of the case."""
    urn = "urn:uuid:1b4e28ba-2fa1-11d2-883f-0016d3cca427"
    case, asked = kept("webshop", urn), kept("urn:q2c:person:mia", "SO-1")
    plain = kept("crm", "006000000000002AAA")
    called = f'<span class="id" title="{urn}">webshop 1b4e28ba-2fa1-11d2-883f-0016d3cca427</span>'
    asker = '<span title="urn:q2c:person:mia">Mia Ochoa</span>'
    text = page(mia, "/queue?tab=all&q=is:open")
    rows = words(text.split("<caption", 1)[1].split("</table>")[0])
    assert called in text and asker in text and "urn:" not in rows and plain.business_key in rows
    assert called in page(mia, f"/problems/{case.problem_id}")
    assert asker in page(mia, f"/problems/{asked.problem_id}")
    tower = words(page(mia, "/"))
    assert "1b4e28ba" in tower and "urn:uuid" not in tower
    assert urn in page(mia, f"/cases/{case.id}")
