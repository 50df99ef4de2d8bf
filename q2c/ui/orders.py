"""The list of orders."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from django.http import HttpRequest
from django.http.response import HttpResponseBase

from q2c.reading import orders
from q2c.ui import csv, links
from q2c.ui.listing import Listing, show
from q2c.ui.rights import right

COLUMNS: Sequence[csv.Column] = (
    ("order", lambda o: o.number),
    ("state", lambda o: o.state),
    ("customer", lambda o: o.customer_name or o.customer_key),
    ("customer_key", lambda o: o.customer_key),
    ("entity", lambda o: o.contract_entity),
    ("currency", lambda o: o.currency),
    ("amount", lambda o: csv.amount(o.total_minor, o.currency)),
    ("tax_estimate", lambda o: csv.amount(o.tax_estimate_minor, o.currency)),
    ("closed_on", lambda o: o.closed_on),
    ("starts_on", lambda o: o.starts_on),
    ("term_months", lambda o: o.term_months),
    ("received_at", lambda o: o.received_at),
    ("accepted_at", lambda o: o.accepted_at),
    ("source", lambda o: o.source),
    ("source_id", lambda o: o.source_id),
    ("id", lambda o: o.id),
)


def _rows(page: Sequence[Any]) -> list[Any]:
    return [{"order": one, "href": links.to("order", one.id)} for one in page]


LISTING = Listing(
    noun="order",
    template="order/list.html",
    states=orders.STATES,
    found=orders.found,
    sorts=orders.SORTS,
    default="-received",
    columns=COLUMNS,
    rows=_rows,
)


@right("q2c.view_order")
def index(request: HttpRequest) -> HttpResponseBase:
    return show(request, LISTING)
