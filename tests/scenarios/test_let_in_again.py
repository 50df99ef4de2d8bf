"""A secret runs out: what it stopped is one problem of its connection, and is offered as the right one is saved.

1 Apr 2026   NetSuite has a new token; the journals of two invoices are refused, and nobody else can know the secret.
2 Apr        Pat saves a secret in the admin: it is the wrong one. She is told, and nothing is offered.
             She saves the right one: both journals are offered, dry-run, sent, and their numbers come back.
"""

from __future__ import annotations

import json
import secrets
from typing import Any

import pytest
from django.test import Client
from django.urls import reverse

from exceptions.models import Case, Offer
from exceptions.policies import PLATFORM
from q2c.demo import people
from q2c.demo.company import ERP
from q2c.demo.deals import Line
from q2c.engine import desk, offered, watch
from q2c.models import Attempt, Connection, Step
from q2c.ui import cause
from tests.admin.forms import change, said
from tests.scenarios.conftest import HARBOR_DE, LEEDS, Story, entry
from tests.scenarios.test_three_owners import deal

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.live]
BLOCKER = (ERP, "connection", ERP, "credentials_refused")


@pytest.fixture
def pat() -> Client:
    client = Client()
    client.force_login(people.user("pat"))
    return client


def renewed(story: Story) -> str:
    """NetSuite's administrator makes the integration's token anew; returns its secret."""
    known, secret = dict(story.systems[ERP].credentials), secrets.token_urlsafe(18)
    story.platforms.seed(ERP, {"tokens": [{**known, "token_secret": secret}]})
    return secret


def stopped(story: Story) -> list[str]:
    """Two invoices are billed, and their journals refused."""
    for number, customer, group in (("SO-3001", LEEDS, "UK"), ("SO-3002", HARBOR_DE, "DE")):
        story.close(deal(number, customer, Line(product="TRAINING", group=group, quantity=2), closed="2026-04-01"))
    secret = renewed(story)
    numbers = story.bill()
    assert len(numbers) == 2
    return [secret, *numbers]


def saves(client: Client, secret: str) -> list[str]:
    """What the admin says to whoever types this secret into the connection of the case."""
    fix = cause.fix_of(Case.objects.filter(reason="credentials_refused").first())
    assert fix is not None and (fix.label, fix.right) == ("Open the connection", "q2c.change_connection")
    given = json.dumps({"token_secret": secret})
    return said(change(client, fix.href, new_credentials=given, change_reason="The token was renewed"))


def test_a_secret_that_is_wrong_too_is_told_and_the_right_one_offers_what_waited(story: Story, pat: Client) -> None:
    with story.on("2026-04-01"):
        secret, *numbers = stopped(story)
        cases = list(Case.objects.order_by("business_key"))
        assert [(case.reason, case.owner_team_id, case.blocker) for case in cases] == [
            ("credentials_refused", PLATFORM, BLOCKER)
        ] * 2
        assert len({case.problem_id for case in cases}) == 1
        assert story.documents() == []
    with story.on("2026-04-02", "08:00"):
        # No round knocks at a door that is shut.
        asked = calls()
        assert watch.watch_blockers() == {"looked": 0, "offers": 0} and calls() == asked
        told = " ".join(saves(pat, "not the secret"))
        assert f"Oracle NetSuite ({ERP}) refuses us still: " in told and "Invalid login attempt" in told, told
        assert "2 cases wait for it: nothing is offered yet" in told and "See and replay" not in told
        assert not Offer.objects.exists()
    with story.on("2026-04-02", "09:00"):
        told = " ".join(saves(pat, secret))
        assert "connection netsuite takes our credentials again" in told and "See and replay" in told, told
        replayed(story, numbers)
    assert {document["number"] for document in story.documents()} == {entry(one).document_number for one in numbers}


def replayed(story: Story, numbers: list[str]) -> None:
    """The offer is totalled, dry-run, and sent by who may; each invoice has its document, once."""
    offer = Offer.objects.get(state="open")
    assert (offer.blocker, offer.cases) == (BLOCKER, 2)
    assert {row["currency"] for row in offer.totals} == {"EUR", "GBP"}
    offered.look_at_offers()
    offer.refresh_from_db()
    assert (offer.looked["passes"], offer.looked["fails"]) == (2, 0)
    mei: Any = people.user("mei")
    batch = desk.take_offer(mei, offer.id)
    assert [item.preview["passes"] for item in batch.items.all()] == [True, True]
    desk.send(mei, batch.id)
    story.flow.work()
    ended = Case.objects.order_by("business_key").values_list("business_key", "state", "document")
    assert list(ended) == [(one, "resolved", entry(one).document_number) for one in sorted(numbers)]
    assert Offer.objects.get().state == "taken" and len(story.documents()) == 2
    assert set(Step.objects.filter(stage="post_journal").values_list("state", flat=True)) == {"done"}


def test_put_right_in_the_platform_alone_who_tries_the_connection_is_told(story: Story, pat: Client) -> None:
    with story.on("2026-04-01"):
        stopped(story)
        there = story.systems[ERP]
        tries = {"action": "probe", "_selected_action": [Connection.objects.get(name=ERP).pk]}
        listed = reverse("admin:q2c_connection_changelist")
        (told,) = said(pat.post(listed, tries, follow=True))
        assert "Invalid login attempt" in told and not Offer.objects.exists()
        story.platforms.seed(ERP, {"tokens": [dict(there.credentials)]})
        answers, offer = said(pat.post(listed, tries, follow=True))
        assert answers == "netsuite answers" and "takes our credentials again" in offer
    assert Offer.objects.get(state="open").cases == 2


def calls() -> int:
    return Attempt.objects.count()
