"""The list of journal entries."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from django.http import HttpRequest
from django.http.response import HttpResponseBase

from q2c.reading import customers, journals
from q2c.ui import csv, links
from q2c.ui.listing import Listing, show
from q2c.ui.rights import right

COLUMNS: Sequence[csv.Column] = (
    ("journal", lambda e: e.number),
    ("state", lambda e: e.state),
    ("entity", lambda e: e.entity.code),
    ("period", lambda e: e.period.name),
    ("effective_on", lambda e: e.effective_on),
    ("booked_at", lambda e: e.booked_at),
    ("kind", lambda e: e.journal),
    ("event_type", lambda e: e.event_type),
    ("business_document", lambda e: e.business_document),
    ("customer", lambda e: e.customer),
    ("currency", lambda e: e.currency),
    ("amount", lambda e: csv.amount(e.total_minor, e.currency)),
    ("lines", lambda e: e.line_count),
    ("document_number", lambda e: e.document_number),
    ("posted_at", lambda e: e.posted_at),
    ("key", lambda e: e.key),
    ("memo", lambda e: e.memo),
    ("id", lambda e: e.id),
)


def _rows(page: Sequence[Any]) -> list[Any]:
    names = customers.names(one.customer for one in page)
    return [
        {
            "entry": one,
            "href": links.to("journal", one.id),
            "customer": names.get(one.customer, one.customer),
            # invoice:INV-001 as people say it; what has no document says what it is.
            "about": one.business_document.replace(":", " ", 1) or one.memo[:60],
        }
        for one in page
    ]


LISTING = Listing(
    noun="journal",
    template="journal/list.html",
    states=journals.STATES,
    found=journals.found,
    sorts=journals.SORTS,
    default="-booked",
    columns=COLUMNS,
    rows=_rows,
    by_period=True,
)


@right("ledger.view_journalentry")
def index(request: HttpRequest) -> HttpResponseBase:
    return show(request, LISTING)
