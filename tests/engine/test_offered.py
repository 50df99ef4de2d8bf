"""An offer tells what its dry run says: how many would go through, what stops the others, what nobody can tell yet."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable
from typing import Any

import pytest
from msgspec.structs import replace

from exceptions import unblock
from exceptions.models import Case, Offer, ReplayBatch
from ledger import journal, periods
from ledger.models import FiscalPeriod, JournalEntry
from q2c import clock, tasks
from q2c.engine import desk, offered, watch
from q2c.models import Connection
from q2c.stages import booking
from tests.engine.makers import NOW, case, issue, order, person, run_all
from tests.ui.people import boss, of_role, read, signed_in

pytestmark = pytest.mark.django_db
TITLE = "3 cases, EUR 3,570.00, can be replayed: cost centre CC-410 in erp-de is active again"


@pytest.fixture
def stuck(company: Any) -> list[Case]:
    """Three journals that met an inactive cost centre; of one the account is blocked since, too."""
    company["erp-de"].inactive.add(("cost_center", "CC-410"))
    sold = order()
    for number in ("INV-1", "INV-2", "INV-3"):
        issue(number, sold)
    run_all()
    return [case(number) for number in ("INV-1", "INV-2", "INV-3")]


def freed(company: Any) -> Offer:
    company["erp-de"].inactive.clear()
    watch.watch_blockers()
    return Offer.objects.get(state="open")


def differs(company: Any, number: str) -> None:
    """The ERP holds another document under the key of this invoice's journal."""
    book, entry = company["erp-de"], JournalEntry.objects.get(business_document=f"invoice:{number}")
    (document,) = booking.documents_of(journal.read([entry.id]))
    book.numbers[document.key], book.documents[document.key] = "JE-9", replace(document, memo="somebody else's")


def test_an_offer_says_how_many_would_go_through_and_when_that_was_found(company: Any, stuck: list[Case]) -> None:
    offer = freed(company)
    client = signed_in(boss())
    text = read(client, "/offers")
    assert (
        TITLE.replace("can be replayed", "may be replayed, which is looked at now") in text and "Being checked" in text
    )
    assert f"/offers/{offer.id}" in client.get("/queue").content.decode()
    assert tasks.look_at_offers() == 3
    offer.refresh_from_db()
    assert (offer.looked["passes"], offer.looked["amounts"], offer.looking) == (3, {"EUR": 357_000}, {})
    for address in ("/offers", "/queue", f"/offers/{offer.id}"):
        text = read(client, address)
        assert "3 cases would go through, EUR 3,570.00: cost centre CC-410 in erp-de is active again" in text, address
        assert "By its dry run of" in text and "may be replayed" not in text and "Being checked" not in text
    assert tasks.look_at_offers() == 0, "once is enough"
    assert company["erp-de"].writes == 0


def test_a_credit_among_them_makes_no_charge_smaller(company: Any, stuck: list[Case]) -> None:
    Case.objects.filter(id=stuck[0].id).update(amount_minor=-200_000)
    freed(company)
    tasks.look_at_offers()
    text = read(signed_in(boss()), "/queue")
    assert "3 cases would go through, EUR 2,380.00 and EUR −2,000.00 of credits: cost centre" in text


def test_what_fails_for_another_cause_is_named_and_not_counted(company: Any, stuck: list[Case]) -> None:
    offer = freed(company)
    differs(company, "INV-3")
    offered.look_at_offers()
    text = read(signed_in(boss()), "/queue")
    assert "2 of 3 cases would go through, EUR 2,380.00: cost centre CC-410" in text
    assert "1 would fail again: Content differs" in text
    offer.refresh_from_db()
    assert (offer.looked["fails"], offer.looked["cases"]) == (1, 3)


def test_what_a_silent_platform_leaves_open_is_said(company: Any, stuck: list[Case]) -> None:
    Connection.objects.filter(name="erp-de").update(title="NetSuite Germany")
    freed(company)
    company["erp-de"].down = True
    offered.look_at_offers()
    text = read(signed_in(boss()), "/queue")
    assert "None of 3 cases is known to go through: cost centre" in text
    assert "3 cannot be told yet: NetSuite Germany (erp-de) does not answer" in text


def test_many_are_looked_at_in_slices_and_the_offer_says_how_far_it_is(company: Any, stuck: list[Case]) -> None:
    offer = freed(company)
    assert offered.look(offer, limit=2) == 2
    assert offered.look(offer, limit=2) == 0, "somebody else has looked at that slice"
    text = read(signed_in(boss()), "/queue")
    assert "Being checked, 2 of 3 so far" in text and "would go through" not in text
    offer.refresh_from_db()
    assert offered.look(offer, limit=2) == 1
    offer.refresh_from_db()
    assert offer.is_told and offer.looked["passes"] == 3


def test_it_is_looked_at_anew_when_others_wait_and_when_it_is_opened_after_a_while(
    company: Any, stuck: list[Case]
) -> None:
    offer = freed(company)
    offered.look_at_offers()
    client = signed_in(boss())
    with clock.at(NOW + dt.timedelta(minutes=2)):
        read(client, "/queue")
        assert offered.look_at_offers() == 0
    with clock.at(NOW + dt.timedelta(minutes=5)):
        read(client, "/queue")
        text = read(client, "/queue")
        assert "3 cases would go through" in text and "which is being made anew" in text
        assert offered.look_at_offers() == 3
        assert "being made anew" not in read(client, "/queue")
    # One is sent by itself: what is left is counted, and found, anew.
    with clock.at(NOW + dt.timedelta(minutes=6)):
        desk.replay_one(person("ann"), stuck[0].id)
        unblock.blocker_gone(*offer.blocker)
        offer.refresh_from_db()
        assert offer.cases == 2 and not offer.is_told and offer.headline.startswith("2 cases, EUR 2,380.00, may be")
        assert offered.look_at_offers() == 2
        offer.refresh_from_db()
        assert offer.headline.startswith("2 cases would go through, EUR 2,380.00")


def test_one_that_went_while_it_was_looked_at_is_not_counted(company: Any, stuck: list[Case]) -> None:
    offer = freed(company)
    desk.replay_one(person("ann"), stuck[0].id)
    assert offered.look_at_offers() == 2
    offer.refresh_from_db()
    assert (offer.cases, offer.looked["cases"], offer.is_told) == (2, 2, True)
    assert offered.look_at_offers() == 0


def test_an_offer_that_is_open_no_more_leaves_the_page(company: Any, stuck: list[Case]) -> None:
    offer, root = freed(company), boss()
    desk.dismiss_offer(root, offer.id)
    assert signed_in(root).get(f"/offers/{offer.id}").content == b""
    assert offered.look(offer) == 0


def test_a_period_that_closes_has_what_would_pass_looked_at_anew(
    company: Any, stuck: list[Case], django_capture_on_commit_callbacks: Callable[..., Any]
) -> None:
    offer = freed(company)
    offered.look_at_offers()
    # Other master data that changes makes nothing fail as a rule: what passes is not asked each time.
    watch.changed("", "customer")
    assert offered.look_at_offers() == 0
    october = FiscalPeriod.objects.get(entity__code="DE01", subledger="receivables", name="2026-10")
    with django_capture_on_commit_callbacks(execute=True):
        periods.close(october, by="carla", why="October is done")
    offer.refresh_from_db()
    assert offer.looking and offer.looked["passes"] == 3
    assert "which is being made anew" in read(signed_in(boss()), f"/offers/{offer.id}")
    assert offered.look_at_offers() == 3


def test_a_page_that_stays_open_has_it_looked_at_anew_now_and_then(company: Any, stuck: list[Case]) -> None:
    freed(company)
    offered.look_at_offers()
    client = signed_in(boss())
    for minutes, looks in ((9, 0), (11, 3), (12, 0)):
        with clock.at(NOW + dt.timedelta(minutes=minutes)):
            read(client, "/offers/ready")
            assert offered.look_at_offers() == looks, minutes


def test_a_button_that_opens_the_persons_own_dry_run_says_so_and_opens_none_older_than_what_is_told(
    company: Any, stuck: list[Case]
) -> None:
    offer = freed(company)
    offered.look_at_offers()
    client = signed_in(boss())
    take = f"/offers/{offer.id}/take"
    with clock.at(NOW + dt.timedelta(minutes=1)):
        assert "Look at the dry run" in read(client, "/queue")
        assert "This is the dry run; look" in client.post(take, follow=True).content.decode()
        mine = ReplayBatch.objects.get()
        first = f"Open your dry run R-{mine.number}"
        for address in ("/queue", "/offers", "/offers/ready", f"/offers/{offer.id}"):
            assert first in read(client, address), address
    with clock.at(NOW + dt.timedelta(minutes=2)):
        assert "the dry run that you made a moment ago" in client.post(take, follow=True).content.decode()
        offered.look_anew(all_of_them=True)
        assert offered.look_at_offers() == 3
        assert "Look at the dry run" in read(client, "/queue")
    with clock.at(NOW + dt.timedelta(minutes=3)):
        client.post(take)
    assert ReplayBatch.objects.exclude(id=mine.id).get().state == "dry_run"
    mine.refresh_from_db()
    assert mine.state == "cancelled"


def test_who_may_not_replay_many_reads_so_on_the_button(company: Any, stuck: list[Case]) -> None:
    offer = freed(company)
    client = signed_in(of_role("sofia", "Sales ops"))
    missing = "(exceptions.bulk_replay)"
    for address in ("/offers", "/offers/ready", f"/offers/{offer.id}"):
        assert missing in read(client, address), address
    Offer.objects.update(cases=1)
    assert missing not in read(client, "/offers")
