"""The list of invoices."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from django.http import HttpRequest
from django.http.response import HttpResponseBase

from q2c.reading import invoices
from q2c.ui import csv, links
from q2c.ui.listing import Listing, show
from q2c.ui.rights import right

COLUMNS: Sequence[csv.Column] = (
    ("invoice", lambda i: i.number),
    ("state", lambda i: i.state),
    ("customer", lambda i: i.customer_name or i.account),
    ("account", lambda i: i.account),
    ("order", lambda i: i.order.number),
    ("group", lambda i: i.group),
    ("entity", lambda i: i.entity),
    ("currency", lambda i: i.currency),
    ("net", lambda i: csv.amount(i.net_minor, i.currency)),
    ("tax", lambda i: csv.amount(i.tax_minor, i.currency)),
    ("total", lambda i: csv.amount(i.total_minor, i.currency)),
    ("issued_on", lambda i: i.issued_on),
    ("due_on", lambda i: i.due_on),
    ("recorded_at", lambda i: i.recorded_at),
    ("billing_reference", lambda i: i.billing_reference),
    ("id", lambda i: i.id),
)


def _rows(page: Sequence[Any]) -> list[Any]:
    return [
        {"invoice": one, "href": links.to("invoice", one.id), "order": links.to("order", one.order_id)} for one in page
    ]


LISTING = Listing(
    noun="invoice",
    template="invoice/list.html",
    states=invoices.STATES,
    found=invoices.found,
    sorts=invoices.SORTS,
    default="-issued",
    columns=COLUMNS,
    rows=_rows,
)


@right("q2c.view_invoice")
def index(request: HttpRequest) -> HttpResponseBase:
    return show(request, LISTING)
