"""The query bar as a table: what is asked, what is found; and what is said to what is not understood."""

from __future__ import annotations

import datetime as dt
from typing import Any

import pytest
from django.db import connection

from exceptions import casework, search, tabs
from exceptions.errors import QueryError
from tests.exceptions.conftest import NOW, opened

pytestmark = pytest.mark.django_db


@pytest.fixture
def ann(person: Any) -> Any:
    """Four cases; the first is hers, the third sleeps."""
    user = person("ann", teams=())
    one = opened(business_key="INV-100", customer="Hafen & Söhne AG", amount_minor=1_000_000)
    opened(business_key="INV-200", entity="US", currency="USD", amount_minor=1_000_001, reason="dimension_inactive",
           blocker=("erp-us", "cost_center", "CC-410", "inactive"), connection="erp-us", target="erp-us")  # fmt: skip
    three = opened(business_key="INV-300", entity="JP", currency="JPY", amount_minor=10_001, period="2026-09")
    opened(business_key="ORD-1", stage="accept_order", reason="customer_unknown", blocker=None, amount_minor=None,
           currency="", entity="", period="", source="salesforce", code="X-1", text="No “Acme” here")  # fmt: skip
    casework.claim(user, [one.id])
    casework.snooze(user, [three.id], until=NOW + dt.timedelta(days=1))
    return user


@pytest.mark.parametrize(
    ("query", "found"),
    [
        ("", "INV-100 INV-200 INV-300 ORD-1"),
        ("reason:period_closed", "INV-100 INV-300"),
        ("reason:Period-Closed", "INV-100 INV-300"),
        ("reason:period_closed,customer_unknown", "INV-100 INV-300 ORD-1"),
        ("-reason:period_closed", "INV-200 ORD-1"),
        ("entity:de", "INV-100"),
        ("entity:DE,JP", "INV-100 INV-300"),
        ("entity:DE entity:JP", ""),
        ("period:2026-09", "INV-300"),
        ("amount:>10000", "INV-200 INV-300"),
        ("amount:>=10000", "INV-100 INV-200 INV-300"),
        ("amount:10000", "INV-100"),
        ("amount:10000.01USD", "INV-200"),
        ("amount:10000..10000.01", "INV-100 INV-200"),
        ("amount:<10000.005", "INV-100"),
        ("amount:>10.000,00", "INV-200 INV-300"),
        ("amount:>10,000.00", "INV-200 INV-300"),
        ("amount:10.000,00..10.000,01", "INV-100 INV-200"),
        ("amount:>10000JPY", "INV-300"),
        ('customer:"hafen & söhne"', "INV-100"),
        ("söhne", "INV-100"),
        ("inv-2", "INV-200"),
        ("CC-410", "INV-200"),
        ("cc-4", "INV-200"),
        ("-CC-410 inv", "INV-100 INV-300"),
        ("key:INV-", "INV-100 INV-200 INV-300"),
        ("is:unassigned", "INV-200 INV-300 ORD-1"),
        ("assignee:me", "INV-100"),
        ("assignee:ann", "INV-100"),
        ("is:snoozed", "INV-300"),
        ("is:open", "INV-100 INV-200 ORD-1"),
        ("is:blocked", "INV-100 INV-200 INV-300"),
        ("blocker:CC-410", "INV-200"),
        ("blocker:cost_center/CC-410", "INV-200"),
        ("owner:controllers", "INV-100 INV-300"),
        ('owner:"Finance systems"', "INV-200"),
        ("stage:accept_order source:salesforce", "ORD-1"),
        ("code:X-1", "ORD-1"),
        ("text:acme", "ORD-1"),
        ("attempts:>1", ""),
        ("attempts:<=1", "INV-100 INV-200 INV-300 ORD-1"),
        ("opened:2026-11-03", "INV-100 INV-200 INV-300 ORD-1"),
        ("opened:<2026-11-03", ""),
        ("opened:2026-11-01..2026-11-30", "INV-100 INV-200 INV-300 ORD-1"),
        ("severity:urgent entity:DE", "INV-100"),
        ("currency:jpy", "INV-300"),
    ],
)
def test_what_is_found(ann: Any, query: str, found: str) -> None:
    keys = search.search(ann, query).order_by("business_key").values_list("business_key", flat=True)
    assert " ".join(keys) == found


def test_words_are_looked_up_by_index(ann: Any) -> None:
    with connection.cursor() as cursor:
        cursor.execute("SET LOCAL enable_seqscan = off")
    assert "case_haystack" in search.search(ann, "CC-410").order_by().explain()


@pytest.mark.parametrize(
    ("query", "said", "at"),
    [
        ("resaon:x", "did you mean reason:?", 0),
        ("entity:DE reason:nope", "reason:nope is not known", 10),
        ("reason:", "reason: needs a value", 0),
        ('customer:"acme', "A quote is not closed", 9),
        ("is:happy", "is:happy is not known", 0),
        ("amount:>lots", "amount:>lots is no amount", 0),
        ("amount:5XXX", "XXX is no ISO 4217 currency", 0),
        ("amount:..", "has no bound", 0),
        ("amount:1e99", "amount:1e99 is no amount", 0),
        ("opened:soon", "soon is no day", 0),
        ("number:x", "number:x is no number", 0),
        ("owner:them", "owner:them is not known", 0),
        ("assignee:ghost", "ghost is nobody here", 0),
        ("currency:ABC", "currency:ABC is no ISO 4217 currency", 0),
        ("attempts:many", "attempts:many is no number", 0),
        ("severity:dire", "severity:dire is not known", 0),
    ],
)
def test_what_is_not_understood(ann: Any, query: str, said: str, at: int) -> None:
    with pytest.raises(QueryError) as error:
        search.search(ann, query)
    assert said in error.value.text and error.value.at == at


@pytest.mark.parametrize(
    ("text", "first"),
    [
        ("rea", "reason:"),
        ("reason:period_c", "period_closed"),
        ("entity:DE,", "DE"),
        ("-is:unas", "unassigned"),
        ("owner:fin", "finance-systems"),
        ("assignee:", "me"),
        ("nokey:x", None),
        ("amount:1", None),
    ],
)
def test_completion(ann: Any, text: str, first: str | None) -> None:
    found = search.complete(text, len(text), ann)
    assert (found[0].insert if found else None) == first
    if found:
        assert text[: found[0].start] + found[0].insert


def test_tabs_page_by_key_there_and_back(ann: Any) -> None:
    for number in range(7):
        opened(business_key=f"P-{number}")
    found = tabs.of_tab("open", ann)
    seen, cursor, pages = [], "", []
    while True:
        page = tabs.page(found, "open", cursor=cursor, size=4)
        pages.append(page)
        seen += [case.number for case in page.rows]
        if not page.next:
            break
        cursor = page.next
    assert len(seen) == len(set(seen)) == found.count() and len(pages) == 3
    back = tabs.page(found, "open", cursor=pages[1].previous, size=4)
    assert [case.number for case in back.rows] == [case.number for case in pages[0].rows]
    with pytest.raises(QueryError, match="There is no tab"):
        tabs.of_tab("nowhere", ann)
    with pytest.raises(QueryError, match="broken"):
        tabs.page(found, "open", cursor="%%%")
