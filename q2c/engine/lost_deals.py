"""Deals that were given here and are no longer won: what waits is taken out of work, what is accepted is a case.

A loss is told once: it is known by the fact as which the deal was given last. Won again, the deal comes as a new fact.
"""

from __future__ import annotations

import datetime as dt
import uuid
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import msgspec
from django.db.models import Q

from exceptions.failures import RawItem
from exceptions.models import Case
from q2c import keys, states
from q2c.connectors.ports import Deal, DealNotice
from q2c.engine import intake
from q2c.models import Order, Step
from q2c.reasons import Reason
from q2c.stages.deals import VERSIONS, keys_of

CODE = "no_longer_won"
_FACT = ("order_key", "event", "event__occurred_at", "event__source_id", "state", "proof")
_ACCEPTED = ("accepted", "provisioning", "active", "completed")
_UNDONE = ("cancelled", "rejected")


@dataclass(slots=True)
class _Given:
    """A deal as it was given here: its newest fact."""

    event_id: uuid.UUID | None = None
    at: dt.datetime | None = None
    source_id: str = ""
    state: str = ""
    proof: Mapping[str, Any] = field(default_factory=dict)


def take_out(source: str, notices: Sequence[DealNotice], actor: str) -> list[str]:
    """Notices of deals that are not won. Returns the ids of those that are being worked on: ask again soon."""
    given = _given(source, [notice.source_id for notice in notices])
    busy, lost = [], []
    for notice in notices:
        deal = given.get(notice.source_id)
        # One that was given as of later is won again.
        if deal is None or deal.at is None or deal.at > notice.changed_at:
            continue
        if _out_of_work(source, notice, actor):
            lost.append(notice)
        else:
            busy.append(notice.source_id)
    _tell(source, lost, given, actor)
    return busy


def won_again(source: str, deals: Sequence[Deal]) -> set[str]:
    """The ids of those that were lost since they were given just so."""
    given = _given(source, [deal.source_id for deal in deals])
    told = _told(source, {id_: _mark(id_, deal) for id_, deal in given.items()})
    found = set()
    for deal in deals:
        last = given.get(deal.source_id)
        version = f"{deal.source_id}:{deal.version}"
        if last is None or not f"{last.source_id}:".startswith(f"{version}:"):
            continue
        as_of = (last.proof.get(CODE) if last.state == "abandoned" else None) or told.get(deal.source_id)
        if as_of and deal.changed_at >= dt.datetime.fromisoformat(as_of):
            found.add(deal.source_id)
    return found


def tell_undone(source: str, deals: Sequence[Deal], actor: str) -> None:
    """Of deals that are won again: an order that was cancelled meanwhile stays so, and a person hears of it."""
    undone = {_deal_of(order): order for order in _orders_of(source, [deal.source_id for deal in deals])}
    items = []
    for deal in deals:
        order = undone.get(deal.source_id)
        if order is None or order.state not in _UNDONE:
            continue
        when = deal.changed_at.astimezone(dt.UTC)
        text = (
            f"The deal is won again in {source} as of {when:%Y-%m-%d %H:%M} UTC, and order {order.number} is "
            f"{order.state} here: close it as a new deal under a number of its own"
        )
        mark = {"deal": deal.source_id, "as_of": deal.changed_at.isoformat(), "said": "won_again"}
        items.append(_about(source, order, msgspec.json.encode(mark), text, "won_again", {"deal": deal.source_id}))
    intake.keep_raw(items, actor)


def end_told(source: str, events: Mapping[str, uuid.UUID | None], actor: str) -> None:
    """By deal: it is won again, or its order undone; whoever heard of the loss is done."""
    told = {order.number: events[_deal_of(order)] for order in _orders_of(source, events)}
    intake.resolve_raw(source, told, actor, reasons=(Reason.ORDER_CHANGED,))


def _given(source: str, deal_ids: Sequence[str]) -> dict[str, _Given]:
    """By deal, as far as it came here, under whatever order number."""
    known = {key: deal_id for deal_id, key in keys_of(source, deal_ids).items()}
    steps = Step.objects.filter(stage=VERSIONS.stage, order_key__in=list(known), event__source=source)
    rows = steps.order_by("event__occurred_at", "seq").values_list(*_FACT)
    return {known[key]: _Given(*newest) for key, *newest in rows}


def _deal_of(order: Order) -> str:
    return order.source_id.partition(":")[0]


def _orders_of(source: str, deal_ids: Iterable[str]) -> Any:
    """More than one of a deal only from before that was refused."""
    which = Q(pk=None)
    for deal_id in deal_ids:
        which |= Q(source_id__startswith=f"{deal_id}:")
    return Order.objects.filter(which, source=source).order_by("received_at", "id")


def _out_of_work(source: str, notice: DealNotice, actor: str) -> bool:
    text, proof = _said(source, notice), {CODE: notice.changed_at.isoformat(), "stage": notice.stage}
    (key,) = keys_of(source, [notice.source_id]).values()
    with states.acting(actor, text):
        if not VERSIONS.take_out((key,), actor, text, proof):
            return False
        # Nobody is asked any more; won again, it is checked anew.
        asked = _orders_of(source, [notice.source_id]).filter(state="awaiting_approval")
        states.move(Order, "recheck", list(asked.values_list("id", flat=True)))
    return True


def _tell(source: str, lost: Sequence[DealNotice], given: Mapping[str, _Given], actor: str) -> None:
    """A case for each order that is accepted; the case of one that is undone by now ends."""
    if not lost:
        return
    orders: dict[str, list[Order]] = {}
    for order in _orders_of(source, [notice.source_id for notice in lost]).filter(state__in=_ACCEPTED + _UNDONE):
        orders.setdefault(_deal_of(order), []).append(order)
    undone = {order.number: None for mine in orders.values() for order in mine if order.state in _UNDONE}
    intake.resolve_raw(source, undone, actor, reasons=(Reason.ORDER_CHANGED,))
    items = [
        _case(source, notice, order, _mark(notice.source_id, given[notice.source_id], order.number if i else ""))
        for notice in lost
        for i, order in enumerate(orders.get(notice.source_id, ()))
        if order.state in _ACCEPTED
    ]
    intake.keep_raw(items, actor)


def _case(source: str, notice: DealNotice, order: Order, mark: bytes) -> RawItem:
    if order.state == "completed":
        what = "all of it is invoiced here: have billing credit its invoices, or take the loss back there"
    else:
        what = f"order {order.number} is {order.state} here: cancel the order, or take the loss back there"
    context = {"as_of": notice.changed_at.isoformat(), "deal": notice.source_id, "stage": notice.stage}
    return _about(source, order, mark, f"{_said(source, notice)}, and {what}", CODE, context)


def _about(source: str, order: Order, body: bytes, text: str, code: str, context: Mapping[str, Any]) -> RawItem:
    return RawItem(
        body=body, source=source, reason=Reason.ORDER_CHANGED, code=code, field="stage", text=text,
        content_type="application/json", business_key=order.number, customer=order.customer_name,
        amount_minor=order.total_minor, currency=order.currency, entity=order.contract_entity,
        correlation_id=order.correlation_id, context=context,
    )  # fmt: skip


def _mark(deal_id: str, deal: _Given, number: str = "") -> bytes:
    """Without the time of the change: told once, however often sales touches it again. `number`: of a second order."""
    further = {"order": number} if number else {}
    return msgspec.json.encode({"deal": deal_id, "given_as": deal.source_id, "said": CODE} | further)


def _told(source: str, marks: Mapping[str, bytes]) -> dict[str, str]:
    """By deal whose loss is, or was, a case: as of when."""
    by_hash = {keys.fingerprint(mark): deal_id for deal_id, mark in marks.items()}
    cases = Case.objects.filter(source=source[:60], raw_hash__in=list(by_hash), code=CODE)
    return {by_hash[bytes(mark)]: context["as_of"] for mark, context in cases.values_list("raw_hash", "context")}


def _said(source: str, notice: DealNotice) -> str:
    stage = f" (it is {notice.stage} there)" if notice.stage else ""
    when = notice.changed_at.astimezone(dt.UTC)
    return f"The deal is no longer won in {source} as of {when:%Y-%m-%d %H:%M} UTC{stage}"
