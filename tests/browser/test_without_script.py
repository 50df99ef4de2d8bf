"""Somebody whose browser runs no script: a journal met a closed period; its case is claimed, told about, put to sleep,
woken and replayed by plain forms, and the page itself says what became of it.
"""

from __future__ import annotations

from typing import Any

import pytest

from exceptions.models import Case
from q2c import clock
from q2c.demo.company import ERP
from tests.browser.conftest import Person, Room
from tests.browser.test_fix_and_replay import blocked_journal, person

pytestmark = pytest.mark.django_db(transaction=True)


def sent(who: Person, name: str, **fields: str) -> None:
    """The dialog behind a button of the bar: opened, filled in, sent."""
    who.page.locator(f".actions [popovertarget={name}]").click()
    assert who.page.locator(f"#{name}").is_visible()
    for field, text in fields.items():
        who.page.locator(f"#{name} [name={field}]").fill(text)
    who.keeps(f"no script {name}")
    who.page.locator(f"#{name} button[type=submit]").click()


@pytest.mark.parametrize(("width", "scheme"), [(1280, "dark"), (390, "light")])
def test_a_case_is_worked_on_without_script(room: Room, browser: Any, width: int, scheme: str) -> None:
    case = blocked_journal(room, "SO-6201")
    mei = person(browser, room, "mei", width=width, scheme=scheme, script=False)
    mei.goes(f"/cases/{case.id}")
    mei.page.get_by_role("button", name="Claim").click()
    assert "1 case claimed." in mei.text() and "Release" in mei.text()

    sent(mei, "comment", text="The bank statement is with Carla.")
    assert "The bank statement is with Carla." in mei.page.inner_text("#more")

    sent(mei, "snooze", reason="Until the close is signed")
    assert Case.objects.get(id=case.id).state == "snoozed"
    assert "Snoozed" in mei.page.inner_text(".page-title") and "Until the close is signed" in mei.text()
    mei.page.get_by_role("button", name="Wake").click()
    assert "Snoozed" not in mei.page.inner_text(".page-title")

    room.story.platforms.change(ERP, "accountingPeriod", f"{clock.today():%b %Y}", closed=False)
    sent(mei, "replay", reason="Opened in the ERP.")
    assert "is sent again." in mei.text()
    # The page comes anew by itself until its replay has ended.
    mei.page.wait_for_selector(".page-title >> text=Resolved", timeout=60_000)
    case.refresh_from_db()
    (document,) = room.story.documents()
    assert case.assignee.username == "mei" and document["number"] == case.document
    assert case.document in mei.text()
    assert mei.complaints == []
