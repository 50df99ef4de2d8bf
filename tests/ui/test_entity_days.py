"""A day of a contract is its entity's: Dec 1 in Tokyo is Dec 1 for whoever reads it, on each page and in the API."""

from __future__ import annotations

import datetime as dt
import re

import pytest

from exceptions.models import Case
from q2c import clock
from q2c.connectors.outcomes import Rejected
from q2c.engine import desk
from q2c.models import Event, Order
from q2c.reasons import Reason
from q2c.ui.preferences import ZONE_COOKIE
from tests import flow_makers as make
from tests.ui.people import boss, read

pytestmark = pytest.mark.django_db
NOW = dt.datetime(2026, 11, 26, 10, tzinfo=dt.UTC)
STAGES = ("accept_order", "sync_customer", "provision_billing")


@pytest.fixture(autouse=True)
def _noon():
    with clock.at(NOW):
        yield


def begins(region: str) -> Order:
    """An order whose first phase begins on Dec 1, 2026; in Tokyo that is 15:00 UTC of Nov 30."""
    make.company()
    make.deal("O-1", region=region, starts_on=dt.date(2026, 12, 1))
    for stage in STAGES:
        make.run(stage)
    return Order.objects.get()


def plain(text: str) -> str:
    return re.sub(r"\s+", " ", text.replace("\u202f", " "))


@pytest.mark.parametrize("reader", ["UTC", "Asia/Tokyo", "America/Los_Angeles"])
@pytest.mark.parametrize("region", ["APAC", "EMEA", "AMER"])
def test_a_phase_begins_on_its_entitys_day_whoever_reads(client, region, reader):
    order = begins(region)
    phase = f"hase 1 is activated for group {region.lower()} in zuora"
    client.force_login(boss())
    client.cookies[ZONE_COOKIE] = reader
    text = plain(read(client, f"/orders/{order.id}"))
    assert f"P{phase} on Dec 1, 2026" in text
    # Its row in the table of steps, too.
    assert "on Dec 1, 2026" in text.split("Activate subscription")[1]
    trace = plain(read(client, "/trace?q=O-1"))
    assert re.search(rf"Still to come: p{phase} ?activate_subscription ?Dec 1, 2026", trace)
    assert "Nov 30, 2026" not in text + trace


def test_so_does_what_follows_from_a_replay(client):
    make.company()
    make.deal("O-1", region="APAC", starts_on=dt.date(2026, 12, 1))
    make.run("accept_order")
    make.run("sync_customer")
    make.run("provision_billing", lambda work: Rejected(reason=Reason.REQUEST_REFUSED, text="no"))
    rosa = boss()
    batch = desk.replay_one(rosa, Case.objects.get().id)
    make.run("provision_billing")
    client.force_login(rosa)
    text = plain(read(client, f"/replays/{batch.id}"))
    assert "Phase 1 is activated for group apac in zuora on Dec 1, 2026" in text and "Nov 30, 2026" not in text


def test_the_api_tells_the_day_beside_the_instant(client):
    begins("APAC")
    client.force_login(boss())
    (event,) = Event.objects.filter(type="SubscriptionProvisioned")
    first, second = client.get(f"/api/v1/events/{event.id}").json()["steps"]
    assert (first["next_at"], first["due_on"]) == ("2026-11-30T15:00:00Z", "2026-12-01")
    assert second["due_on"] == "2027-12-01"
    order = Event.objects.get(type="OrderReceived")
    assert client.get(f"/api/v1/events/{order.id}").json()["steps"][0]["due_on"] is None
