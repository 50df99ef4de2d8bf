"""Subscriptions that somebody ended in Zuora: billing's day counts, and nothing is sent where it has ended already."""

from __future__ import annotations

import datetime as dt
from typing import Any

import pytest

from q2c.connectors.outcomes import Blocker, NotFound, Posted, ReadFailed, Rejected
from q2c.connectors.zuora import ended, reading
from q2c.reasons import Reason
from tests.connectors.zuora.tenant import Tenant, charge, key, provisioned, subscription

NUMBER = "S-SO-1001-DE"
DAY, ASKED = dt.date(2026, 1, 1), dt.date(2026, 2, 15)
TERM = {"termEndDate": "2027-01-01", "autoRenew": False}
ACTIVE = {**TERM, "status": "Active", "subscriptionEndDate": "2027-01-01"}


@pytest.mark.parametrize(
    ("read", "on", "is_cancelled"),
    [
        (ACTIVE, "2027-01-01", False),
        ({**ACTIVE, "status": "Expired"}, "2027-01-01", False),
        ({**ACTIVE, "autoRenew": True}, None, False),
        ({**ACTIVE, "subscriptionEndDate": "2026-03-01"}, "2026-03-01", True),
        ({**ACTIVE, "scheduledCancelDate": "2026-03-01"}, "2026-03-01", True),
        ({**TERM, "status": "Cancelled", "subscriptionEndDate": "2026-03-01"}, "2026-03-01", True),
        ({**TERM, "status": "Cancelled", "subscriptionEndDate": None}, None, True),
        ({"status": "Active", "subscriptionEndDate": None, "termEndDate": None}, None, False),
    ],
)  # fmt: skip
def test_when_a_subscription_ends_as_zuora_tells_it(read: dict[str, Any], on: str | None, is_cancelled: bool) -> None:
    assert ended.of(read) == ended.End(dt.date.fromisoformat(on) if on else None, is_cancelled)


def test_what_changed_is_told_as_it_stands_whoever_changed_it(tenant: Tenant, client: Any) -> None:
    provisioned(client, subscription(), subscription(key="S-SO-1002-DE", order_number="SO-1002"))
    since = dt.datetime(2026, 1, 1, tzinfo=dt.UTC)

    def told(at: dt.datetime = since) -> dict[str, tuple[dt.date | None, bool]]:
        return {one.number: (one.ends_on, one.cancelled) for one in client.changed_subscriptions(at)}

    whole = dt.date(2027, 1, 1), False
    assert told() == {NUMBER: whole, "S-SO-1002-DE": whole}
    tenant.control.clock("2026-02-01T00:00:00Z")
    later = dt.datetime(2026, 2, 1, tzinfo=dt.UTC)
    assert told(later) == {}
    tenant.control.call("POST", "cancel-subscription", {"number": NUMBER, "on": "2026-06-01"})
    assert told(later) == {NUMBER: (dt.date(2026, 6, 1), True)}
    client.cancel("S-SO-1002-DE", ASKED, key(5))
    assert told(later) == {NUMBER: (dt.date(2026, 6, 1), True), "S-SO-1002-DE": (ASKED, True)}
    assert all(one.changed_at >= later for one in client.changed_subscriptions(later))
    # One by one they are read as they stand, too.
    one = client.subscription(NUMBER)
    assert (one.number, one.ends_on, one.cancelled) == (NUMBER, dt.date(2026, 6, 1), True)
    assert client.subscription("S-NONE").reason == Reason.RECORD_MISSING
    # Taken back there.
    tenant.control.call("POST", "keep-subscription", {"number": NUMBER})
    assert told(later)[NUMBER] == whole
    assert client.subscription(NUMBER).ends_on == whole[0]
    # Also what we had cancelled ourselves: it is no order of ours any more.
    assert isinstance(client.is_cancelled("S-SO-1002-DE", ASKED, key(5)), Posted)
    tenant.control.call("POST", "keep-subscription", {"number": "S-SO-1002-DE"})
    assert isinstance(client.is_cancelled("S-SO-1002-DE", ASKED, key(5)), NotFound)
    assert orders_of(tenant) == ["O-SO-1001-DE", "O-SO-1002-DE"]


def test_all_pages_of_what_changed_are_read_and_a_page_that_fails_is_raised(tenant: Tenant, client: Any) -> None:
    provisioned(client, *(subscription(key=f"S-SO-{n}-DE", order_number=f"SO-{n}") for n in range(1, 4)))
    since = dt.datetime(2026, 1, 1, tzinfo=dt.UTC)
    numbers = [f"S-SO-{n}-DE" for n in range(1, 4)]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(reading, "QUERY_PAGE_SIZE", 2)
        assert sorted(one.number for one in client.changed_subscriptions(since)) == numbers
        rows = client.changed_subscriptions(since)
        assert [next(rows).number, next(rows).number] == numbers[:2]
        tenant.control.fault("unavailable", "query_subscriptions")
        with pytest.raises(ReadFailed):
            next(rows)


@pytest.mark.parametrize(
    ("row", "on"),
    [
        ({"status": "Cancelled", "cancelledDate": "2026-03-01"}, dt.date(2026, 3, 1)),
        ({"status": "Cancelled"}, dt.date(2026, 3, 5)),
        ({"status": "Active", "autoRenew": True, "subscriptionEndDate": "2027-01-01"}, None),
        ({"status": "Pending Activation"}, None),
    ],
)
def test_a_row_that_says_less(row: dict[str, Any], on: dt.date | None) -> None:
    at = dt.datetime(2026, 3, 5, 9, tzinfo=dt.UTC)
    said = ended.notice({"name": NUMBER, **row}, at)
    assert (said.number, said.ends_on, said.cancelled) == (NUMBER, on, row["status"] == "Cancelled")


def test_what_was_cancelled_without_a_day_is_a_persons() -> None:
    end = ended.of({**TERM, "status": "Cancelled"})
    said = ended.as_asked(end, "zuora", NUMBER, ASKED)
    assert isinstance(said, Rejected) and "as of a day that it does not say" in said.text
    assert ended.before_phase(end, "zuora", NUMBER, 2, ASKED) is not None


def orders_of(tenant: Tenant) -> list[str]:
    return sorted(row["number"] for row in tenant.control.records("order"))


@pytest.mark.parametrize("by_hand", ["2026-02-15", "2026-02-01"])
def test_cancelled_there_by_the_day_asked_for_is_done(tenant: Tenant, client: Any, by_hand: str) -> None:
    provisioned(client, subscription())
    tenant.control.edit("subscription", NUMBER, cancelledOn=by_hand)
    as_of = None if by_hand == "2026-02-15" else dt.date(2026, 2, 1)
    for ask in (client.cancel, client.is_cancelled):
        done = ask(NUMBER, ASKED, key(5))
        assert isinstance(done, Posted) and (done.found, done.as_of, done.document) == (True, as_of, NUMBER)
    assert orders_of(tenant) == ["O-SO-1001-DE"]


def test_cancelled_there_as_of_a_later_day_is_said_and_nothing_is_sent(tenant: Tenant, client: Any) -> None:
    provisioned(client, subscription())
    tenant.control.edit("subscription", NUMBER, cancelledOn="2026-06-01")
    blocker = Blocker(
        connection="zuora-test", object_type="subscription", object_key=NUMBER, condition="ended as of 2026-06-01"
    )
    for ask in (client.cancel, client.is_cancelled):
        said = ask(NUMBER, ASKED, key(5))
        assert isinstance(said, Rejected) and (said.reason, said.blocker) == (Reason.SUBSCRIPTION_ENDED, blocker)
        assert "as of 2026-06-01, cancelled there; it was asked for as of 2026-02-15" in said.text
    assert client.still_blocked(blocker) is True
    # Taken back there, it is no longer in the way, and is cancelled as asked.
    tenant.control.edit("subscription", NUMBER, cancelledOn=None)
    assert client.still_blocked(blocker) is False
    assert client.cancel(NUMBER, ASKED, key(5)).document == "X-SO-1001-DE"


def test_what_our_own_order_cancelled_on_another_day_is_told_by_its_day(tenant: Tenant, client: Any) -> None:
    provisioned(client, subscription())
    client.cancel(NUMBER, ASKED, key(5))
    later = client.cancel(NUMBER, dt.date(2026, 3, 1), key(6))
    assert isinstance(later, Posted) and (later.as_of, later.document) == (ASKED, "X-SO-1001-DE")
    sooner = client.cancel(NUMBER, dt.date(2026, 2, 1), key(7))
    assert isinstance(sooner, Rejected) and sooner.reason == Reason.SUBSCRIPTION_ENDED
    # Our order stands, and what it did was taken back: no second one has its number.
    tenant.control.edit("subscription", NUMBER, cancelledOn=None)
    other = client.cancel(NUMBER, dt.date(2026, 3, 1), key(6))
    assert isinstance(other, Rejected) and other.reason == Reason.CONTENT_DIFFERS


def test_what_expired_before_the_day_asked_for_is_done(tenant: Tenant, client: Any) -> None:
    """Somebody shortened its term there."""
    provisioned(client, subscription())
    tenant.control.edit("subscription", NUMBER, termEnd="2026-02-01")
    tenant.control.clock("2026-02-20T00:00:00Z")
    done = client.cancel(NUMBER, ASKED, key(5))
    assert isinstance(done, Posted) and done.as_of == dt.date(2026, 2, 1)


def test_a_phase_that_begins_after_the_end_is_not_activated(tenant: Tenant, client: Any) -> None:
    later = dt.date(2026, 7, 1)
    two = subscription(
        charge(1, "PLAT", ends_on=later, amount_minor=600_000),
        charge(1, "PLAT", phase=2, starts_on=later, amount_minor=600_000),
    )
    provisioned(client, two, activate=False)
    tenant.control.edit("subscription", NUMBER, cancelledOn="2026-06-01")
    assert isinstance(client.activate(NUMBER, 1, DAY, key(3)), Posted)
    said = client.activate(NUMBER, 2, later, key(4))
    assert isinstance(said, Rejected) and said.reason == Reason.SUBSCRIPTION_ENDED
    assert said.text.endswith("as of 2026-06-01; its phase 2 was to begin on 2026-07-01")
    assert isinstance(client.is_activated(NUMBER, 2, later, key(4)), NotFound)
    # Activated before it was cancelled, it is found so.
    assert client.activate(NUMBER, 1, DAY, key(3)).found
