"""Keyset pages: every row once, in order, both ways, whatever the column holds."""

from __future__ import annotations

import datetime as dt
import random

import pytest
from django.contrib.auth.models import User

from q2c.ui.lists import page_of

pytestmark = pytest.mark.django_db
ORDERS = {"name": "username", "seen": "last_login"}


@pytest.fixture
def people():
    chance = random.Random(7)
    start = dt.datetime(2026, 1, 1, tzinfo=dt.UTC)
    User.objects.bulk_create(
        User(
            username=f"p{i:03}",
            first_name=chance.choice("ab"),
            # Equal values and nulls are where keysets go wrong.
            last_login=None if i % 4 == 0 else start + dt.timedelta(days=chance.randrange(5)),
        )
        for i in range(57)
    )
    return User.objects.all()


def walk(rf, queryset, order):
    pages, address = [], {"order": order}
    while True:
        page = page_of(rf.get("/", address), queryset, ORDERS, "name", rows=10)
        pages.append(page)
        if not page.next:
            return pages
        address = {"order": order, "after": page.next}


@pytest.mark.parametrize("order", ["name", "-name", "seen", "-seen"])
def test_every_row_is_met_once_and_back_again(rf, people, order):
    pages = walk(rf, people, order)
    met = [row.pk for page in pages for row in page]
    assert sorted(met) == sorted(people.values_list("pk", flat=True)) and len(met) == 57
    assert not pages[0].previous and all(len(p) == 10 for p in pages[:-1])
    page = pages[-1]
    for earlier in reversed(pages[:-1]):
        page = page_of(rf.get("/", {"order": order, "before": page.previous}), people, ORDERS, "name", rows=10)
        assert [r.pk for r in page] == [r.pk for r in earlier]
    assert not page.previous and page.next


@pytest.mark.parametrize("order", ["seen", "-seen"])
def test_what_has_no_value_comes_last(rf, people, order):
    met = [row.last_login for page in walk(rf, people, order) for row in page]
    known = [m for m in met if m]
    assert met[len(known) :] == [None] * (57 - len(known))
    assert known == sorted(known, reverse=order.startswith("-"))


@pytest.mark.parametrize(
    "address",
    [
        {"order": "password"},
        {"order": "--name"},
        {"after": "zzz"},
        {"after": "W10"},
        {"before": "!!"},
        {"after": "WyJuYW1lIiwiXHUwMDAwIiwiMSJd"},
        {"after": "WyJuYW1lIiwiYSIsIngiXQ"},
        {"order": "seen", "after": "WyJzZWVuIiwibm8gZGF0ZSIsIjEiXQ"},
    ],
)
def test_an_address_nobody_made_is_the_first_page(rf, people, address):
    page = page_of(rf.get("/", address), people, ORDERS, "name", rows=10)
    assert (len(page) == 10 and not page.previous) or "after" in address


def test_rows_that_arrive_do_not_shift_the_next_page(rf, people):
    first = page_of(rf.get("/"), people, ORDERS, "name", rows=10)
    User.objects.create(username="a-newcomer")
    second = page_of(rf.get("/", {"after": first.next}), people, ORDERS, "name", rows=10)
    assert [r.username for r in second] == [f"p{i:03}" for i in range(10, 20)]


def test_an_index_can_start_at_the_cursor(rf, people):
    """The bound is said on the column itself; an OR alone would read every row before the cursor."""
    first = page_of(rf.get("/"), people, ORDERS, "name", rows=10)
    from django.db import connection
    from django.test.utils import CaptureQueriesContext

    with CaptureQueriesContext(
        connection,
    ) as asked:
        page_of(rf.get("/", {"after": first.next}), people, ORDERS, "name", rows=10)
    sql = asked.captured_queries[-1]["sql"]
    assert '"username" >= ' in sql and "NULLS" not in sql
