"""Orders: the list, one order whole, and its cancellation."""

from __future__ import annotations

import datetime as dt
import uuid
from collections.abc import Mapping, Sequence, Set
from dataclasses import replace
from typing import Any

from django.http import Http404, HttpRequest, HttpResponse
from django.http.response import HttpResponseBase
from django.shortcuts import redirect, render

from exceptions.errors import NotPossible
from q2c import clock, keys
from q2c.engine import requests
from q2c.models import Order
from q2c.reading import cancellation, cut_orders, orders, roads
from q2c.reading import order as whole_order
from q2c.stages import cancellation_credits, completed, totals
from q2c.ui import acting, asking, csv, formats, links, story, there
from q2c.ui.frame import tell
from q2c.ui.listing import Listing, show
from q2c.ui.parts import Crumb, facts
from q2c.ui.rights import right

# Nothing of the first was sold; the second was, and is no more.
_NOT_SOLD = ("rejected", "cancelled")


def _cancelled(order: Any) -> int:
    """In whole, or what billing has cancelled of it."""
    return int({"cancelled": order.total_minor, "rejected": 0}.get(order.state, order.cut))


COLUMNS: Sequence[csv.Column] = (
    ("order", lambda o: o.number),
    ("state", lambda o: o.state),
    ("customer", lambda o: o.customer_name or o.customer_key),
    ("customer_key", lambda o: o.customer_key),
    ("entity", lambda o: o.contract_entity),
    ("currency", lambda o: o.currency),
    ("amount", lambda o: csv.amount(o.total_minor, o.currency)),
    # The first adds up to what the list says that orders are worth, the second to what it says was cancelled.
    ("worth", lambda o: csv.amount(0 if o.state in _NOT_SOLD else o.total_minor - o.cut, o.currency)),
    ("cancelled", lambda o: csv.amount(_cancelled(o), o.currency)),
    ("amounts_by_currency", lambda o: "; ".join(_by_currency(o))),
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


def _by_currency(order: Order) -> list[str]:
    """316897.20 EUR, 97470.00 GBP; of what is not in the total: (no rate)."""
    return [
        f"{csv.amount(row['amount_minor'], row['currency'])} {row['currency']}"
        f"{' (no rate)' if row['worth_minor'] is None else ''}"
        for row in totals.told(order)
    ]


def _rows(user: Any, page: Sequence[Any]) -> list[Any]:
    cut, left, ended = cancellation.cut(page), roads.left_at(page), cancellation.ended_there_of(page)
    return [
        {
            "order": one,
            "href": links.to("order", one.id),
            "portions": totals.of(one),
            "cut": one.number in cut,
            "ended_there": one.number in ended,
            "left_at": left.get(one.id, ""),
        }
        for one in page
    ]


LISTING = Listing(
    noun="order",
    template="order/list.html",
    states=orders.STATES,
    found=orders.found,
    sorts=orders.SORTS,
    default="-received",
    columns=COLUMNS,
    rows=_rows,
    # The filter finds an order by each currency of it, the tally by that of its contract.
    tallied=("entity",),
    # Nothing of it was sold.
    undone=("rejected",),
    # Sold, and no more: what was billed of it until then is told by its invoices.
    ended=("cancelled",),
    without="without what was rejected or cancelled",
    ended_as="as it was sold; what was billed of it is on its invoices",
    cut=lambda found: cut_orders.sums(found, but=_NOT_SOLD),
    filed=cut_orders.with_cut,
)


@right("q2c.view_order")
def index(request: HttpRequest) -> HttpResponseBase:
    return show(request, LISTING)


@right("q2c.view_order")
def one(request: HttpRequest, order_id: uuid.UUID) -> HttpResponse:
    found = whole_order.whole(request.user, order_id)
    if found is None:
        raise Http404
    order = found.order
    later, ends, ended_there = cancellation.waiting(order), cancellation.ends(order), cancellation.ended_there(order)
    left = roads.left_at([order, *found.subscriptions])
    not_credited = cancellation.not_credited(order, ends)
    # Billing credits from its own day on, whatever day is asked for.
    cancel_on = max(ended_there.cancel_on or clock.today(), order.starts_on)
    may_be_cancelled = order.state in requests.OPEN_ORDERS
    context = {
        "found": found,
        "order": order,
        "portions": totals.of(order),
        "crumbs": [Crumb("Orders", links.to("orders")), Crumb(order.number)],
        "coming": _coming(found, later),
        "cases": story.cases(found.cases),
        "cases_say": story.cases_say(found.cases),
        "steps": story.steps(found.steps, found.fronts),
        "timeline": story.timeline("order", found.moves, found.steps, found.cases, found.approvals),
        "facts": _facts(found, ends),
        "left_at": left.get(order.id, ""),
        "subscriptions": _subscriptions(found, ends, ended_there.days, left),
        "invoices": _invoices(found),
        "unrecorded": _unrecorded(found),
        "otherwise": story.given_up(found.otherwise),
        "given_up": story.given_up(found.given_up),
        "given_up_sums": story.sums_of(found.given_up),
        "journals": [{"entry": e, "href": links.to("journal", e.id)} for e in found.journals],
        "trace": links.to("trace", q=order.number),
        "cancel": links.to("order-cancel", order.id),
        "withdraw": links.to("order-keep", order.id),
        "later": later,
        "in_part": cancellation.in_part_of(order),
        "ended_there": ended_there,
        "all_billed": completed.is_all_billed(order),
        "bills_until": None if ended_there.is_over else ended_there.until or found.ends_on,
        "ended_before": cancellation.ended_before(order),
        "not_credited": not_credited.worth,
        "not_credited_elsewhere": not_credited.elsewhere,
        "bill_run": there.billing_sandbox(s.connection for s in found.subscriptions) if not_credited.worth else "",
        "not_begun": order.starts_on > clock.today(),
        "may_be_cancelled": may_be_cancelled,
        "cancel_on": cancel_on,
        "billed_elsewhere": cancellation_credits.billed_elsewhere(order, cancel_on) if may_be_cancelled else "",
        "reason_max": requests.REASON_MAX,
        "token": keys.new_id(),
    }
    return render(request, "order/page.html", context)


def _subscriptions(
    found: whole_order.Whole, ends: Mapping[str, dt.date], ended_there: Mapping[str, dt.date], left: Mapping[Any, str]
) -> list[dict[str, Any]]:
    """Each with its phases, and as of when it is cancelled, or ends in billing alone."""
    discounted = set(found.order.lines.filter(discount_minor__gt=0).values_list("line", flat=True))
    return [
        {
            "subscription": s,
            "phases": _phases(s, discounted),
            "left_at": left.get(s.id, ""),
            "ended_on": ends.get(s.group, ends.get("")) if s.state == "cancelled" else None,
            "ends_there": ended_there.get(s.number),
        }
        for s in found.subscriptions
    ]


def _invoices(found: whole_order.Whole) -> list[dict[str, Any]]:
    """Each with what is said beside its state."""
    return [{"invoice": i, "href": links.to("invoice", i.id), "marks": found.marks[i.id]} for i in found.invoices]


def _unrecorded(found: whole_order.Whole) -> list[dict[str, Any]]:
    """Invoices that came and are not recorded, each with the case that keeps it."""
    of_step = {case.step_id: case for case in found.cases}
    rows = [(step, of_step.get(step.id)) for step in found.unrecorded]
    return [{"step": step, "case": case, "href": links.to("case", case.id) if case else ""} for step, case in rows]


def _facts(found: whole_order.Whole, ends: Mapping[str, dt.date]) -> list[tuple[str, Any]]:
    order = found.order
    payer = found.names.get(order.payer_key, order.payer_key)
    return facts(
        ("Customer", order.customer_name or order.customer_key),
        ("Account", order.customer_key),
        ("Paid by", payer if order.payer_key != order.customer_key else ""),
        ("Contract entity", order.contract_entity),
        ("Payment", f"{found.document.payment_term_days} days"),
        ("From", f"{order.source} {order.source_id}"),
        ("Cancelled", f"as of {formats.day_text(ends[''])}" if "" in ends else ""),
        ("About", found.document.description),
    )


def _phases(subscription: Any, discounted: Set[int]) -> list[dict[str, Any]]:
    """Segments by phase and days: [{"phase": 1, "starts_on", "ends_on", "segments": [(segment, is discounted)]}]."""
    together: dict[tuple[Any, ...], list[Any]] = {}
    for segment in subscription.segments.all():
        days = (segment.phase, segment.starts_on, segment.ends_on)
        together.setdefault(days, []).append((segment, segment.line in discounted))
    return [
        {"phase": phase, "starts_on": starts_on, "ends_on": ends_on, "segments": rows}
        for (phase, starts_on, ends_on), rows in sorted(together.items(), key=lambda item: item[0])
    ]


@right("q2c.cancel_order")
def cancel(request: HttpRequest, order_id: uuid.UUID) -> HttpResponse:
    """Asks for the cancellation; the engine does it, subscription by subscription."""
    order = Order.objects.visible_to(request.user).filter(id=order_id).first()
    if order is None:
        raise Http404
    if request.method != "POST":
        return redirect("order", order_id=order.id)
    return asking.ask(
        request,
        lambda day, reason, token: requests.cancel_order(request.user, order, day, reason, token),
        links.to("order", order.id),
        f"Cancellation of {order.number} is asked for.",
        lambda day: _what_follows(order, day),
    )


@right("q2c.cancel_order")
def keep(request: HttpRequest, order_id: uuid.UUID) -> HttpResponse:
    """Withdraws a cancellation that waits for its day."""
    order = Order.objects.visible_to(request.user).filter(id=order_id).first()
    if order is None:
        raise Http404
    page = redirect("order", order_id=order.id)
    if request.method != "POST":
        return page
    try:
        requests.withdraw_cancellation(request.user, order, request.POST.get("reason", ""))
    except NotPossible as error:
        if acting.in_dialog(request):
            return acting.refusal(request, f"{error.text}.")
        tell(request, "bad", "Nothing was withdrawn.", f"{error.text}.")
        return page
    tell(request, "good", f"The cancellation of {order.number} is withdrawn.", "The order goes on.")
    return acting.onwards(request, page)


def _coming(found: whole_order.Whole, later: cancellation.Later | None) -> list[dict[str, Any]]:
    """What is planned for after a cancellation will not happen, and says so."""
    rows = found.coming
    if later is not None:
        said = "Not if the order is cancelled before that, as is asked"
        rows = [
            replace(row, text=said) if row.tone == "quiet" and row.day and row.day > later.day else row for row in rows
        ]
    return story.coming(rows)


def _what_follows(order: Order, day: dt.date) -> str:
    said = "Its subscriptions are cancelled in billing first, then the order."
    if order.invoices.exists():
        said += " Where it takes back what is invoiced, a second person approves it before that."
    if day >= order.starts_on:
        return said
    return f"{said} They start on {formats.day_text(order.starts_on)}, so billing is told that day."
