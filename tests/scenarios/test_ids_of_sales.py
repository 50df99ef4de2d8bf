"""Sales people look for a customer or a deal by what Salesforce calls it, as its pages or as its reports write it.

9 Mar 2026   SO-2001 of Leeds Railways is closed-won and accepted, and once more under a changed amount.
"""

from __future__ import annotations

import pytest

from q2c import trace
from q2c.models import CrossReference
from tests.scenarios.conftest import LEEDS, Story, order
from tests.scenarios.test_lost_deals import MONTHLY, opportunity
from tests.scenarios.test_three_owners import deal
from tests.ui.people import boss

pytestmark = [pytest.mark.django_db(transaction=True)]


def test_an_account_and_an_opportunity_are_found_by_either_form_of_their_id(story: Story) -> None:
    with story.on("2026-03-09"):
        story.close(deal("SO-2001", LEEDS, MONTHLY))
    there = [
        row for row in story.platforms.records("salesforce", "Account") if row["body"].get("AccountNumber") == LEEDS.key
    ]
    account = there[0]["id"]
    reader = boss()
    for id_ in (account, account[:15]):
        found = trace.find(reader, id_)
        assert [one.number for one in found.candidates] == ["SO-2001"], id_
        assert found.found_as == ["customer in salesforce"]
    for id_ in (opportunity(story), opportunity(story)[:15]):
        assert [one.number for one in trace.find(reader, id_).orders] == ["SO-2001"], id_


def test_what_an_account_is_called_there_is_kept_once(story: Story) -> None:
    with story.on("2026-03-09"):
        story.close(deal("SO-2001", LEEDS, MONTHLY), deal("SO-2002", LEEDS, MONTHLY))
    with story.on("2026-03-10"):
        story.close(deal("SO-2003", LEEDS, MONTHLY))
    assert order("SO-2003").state != "received"
    assert CrossReference.objects.filter(connection="salesforce", our_key=LEEDS.key).count() == 1
