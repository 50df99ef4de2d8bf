"""What can be looked at below a case: its timeline, its documents, its payload, every call, every move of state."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from django.db.models import Q

from exceptions.models import Case, CaseEvent
from ledger.models import JournalEntry
from q2c.models import Attempt, CrossReference, Event, Invoice, Order, Step, Transition
from q2c.reading import against_order, billing_has, billing_now
from q2c.reasons import Reason
from q2c.ui import parts, people, words
from q2c.ui.acting import address_of
from q2c.ui.differing import differences, of_one
from q2c.ui.payload import parsed

VIEWS = {
    "timeline": "Timeline",
    "documents": "Documents",
    "payload": "Payload",
    "attempts": "Attempts",
    "history": "History",
}
MOST = 200

# How each kind of entry is told: (words, tone, icon).
_KINDS: dict[str, tuple[str, str, str]] = {
    "opened": ("Failed, and became this case", "bad", "octagon-alert"),
    "failed_again": ("Failed again, for the same cause", "bad", "octagon-alert"),
    "reopened": ("Failed again after it had ended", "bad", "rotate-ccw"),
    "cause_changed": ("Failed for another cause", "bad", "git-branch"),
    "assigned": ("Assigned", "quiet", "user-check"),
    "claimed": ("Claimed", "busy", "user-check"),
    "released": ("Released", "quiet", "undo-2"),
    "commented": ("Comment", "quiet", "message-square"),
    "snoozed": ("Snoozed", "quiet", "moon-star"),
    "woken": ("Back in the queue", "quiet", "bell"),
    "rerouted": ("Its policy changed", "quiet", "route"),
    "replay_requested": ("Replay: queued", "busy", "rotate-cw"),
    "replay_sent": ("Replay: sent", "busy", "send"),
    "replay_confirmed": ("Replay: confirmed", "good", "circle-check"),
    "replay_failed": ("Replay: failed", "bad", "octagon-alert"),
    "outcome_unknown": ("Answer lost: being verified", "warn", "search"),
    "approval_requested": ("Approval asked for", "warn", "user-check"),
    "approved": ("Approved", "good", "circle-check"),
    "approval_refused": ("Approval refused", "bad", "circle-x"),
    "approval_withdrawn": ("Request taken back", "quiet", "undo-2"),
    "closed_without_fix": ("Closed without a fix", "quiet", "archive"),
    "resolved": ("Resolved", "good", "circle-check"),
    "asked_again": ("Read again: asked for", "busy", "rotate-cw"),
    "read_again": ("Read again", "bad", "octagon-alert"),
    "refused": ("Somebody lacked the right", "warn", "lock"),
    "taken_back": ("Taken back in billing", "quiet", "undo-2"),
    "readable_again": ("Can be read again", "good", "circle-check"),
    "after_all": ("To be booked after all: asked for", "busy", "rotate-ccw"),
    "restated": ("Said anew: the books, or what billing has, changed", "quiet", "undo-2"),
    "offered": ("Could be replayed: its blocker is gone", "busy", "info"),
}


def tabs(current: str) -> list[parts.Tab]:
    """The views as tabs."""
    return [parts.Tab(label, f"?view={name}#more", current=name == current) for name, label in VIEWS.items()]


def below(user: Any, view: str, case: Case, step: Step | None) -> dict[str, Any]:
    """The context of one view; {"missing": right} where the person may not see it."""
    shown, needed = _VIEWS[view]
    if needed and not user.has_perm(needed):
        return {"missing": needed}
    return shown(user, case, step)


def _timeline(user: Any, case: Case, step: Step | None) -> dict[str, Any]:
    """Newest first."""
    entries = [
        parts.Entry(event.at, what, event.actor, event.text, tone, icon)
        for event in case.events.order_by("-id")[:MOST]
        for what, tone, icon in [_KINDS.get(event.kind, (words.plain(event.kind), "quiet", "circle-dot"))]
    ]
    event = _event(case, step)
    if event is not None:
        text = f"{event.type} {event.source_id}"
        entries.append(parts.Entry(event.received_at, "Arrived", event.source, text, "quiet", "inbox"))
    return {"entries": people.named(entries)}


def _event(case: Case, step: Step | None) -> Event | None:
    if step is not None:
        return step.event
    return Event.objects.filter(id=case.event_id).first() if case.event_id else None


def _documents(user: Any, case: Case, step: Step | None) -> dict[str, Any]:
    """Ours and theirs: rows of (kind, what it is called, state, address).

    Two entities may number their documents alike: what only bears the number is of the case's own entity.
    """
    key, event_id = case.business_key, case.event_id
    ours: list[dict[str, Any]] = []
    sold_by = _of_entity(case, "contract_entity") | _of_entity(case, "groups__entity")
    named = (Q(number=key) & sold_by) | Q(number=case.context.get("order") or "")
    named |= Q(event=event_id) if event_id else Q()
    orders = {order.id: order for order in Order.objects.visible_to(user).filter(named)} if key else {}
    seen = Invoice.objects.visible_to(user).select_related("order", "event")
    invoices = list(seen.filter(Q(number=key) & _of_entity(case, "entity") | Q(event=event_id))) if key else []
    orders |= {invoice.order_id: invoice.order for invoice in invoices if invoice.order is not None}
    ours += [_row("order", order, order.number) for order in orders.values()]
    ours += [_row("invoice", invoice, invoice.number) for invoice in invoices]
    events = {event_id, *(invoice.event_id for invoice in invoices)}
    entries = JournalEntry.objects.visible_to(user).filter(
        Q(event_id__in=events) | Q(business_document=f"invoice:{key}") & _of_entity(case, "entity__code")
    )
    found = list(entries.order_by("-generation")[:20])
    ours += [_row("journal", entry, entry.number or "without a number yet") for entry in found]
    keys = [str(record.id) for record in [*orders.values(), *invoices, *found]] + ([key] if key else [])
    theirs = list(CrossReference.objects.visible_to(user).filter(our_key__in=keys).order_by("-at")[:50])
    billing = billing_has.of(user, case, step, invoices, orders)
    return {"ours": ours, "theirs": theirs, "billing": billing, "against": _against(user, step)}


def _of_entity(case: Case, field: str) -> Q:
    return Q(**{field: case.entity}) if case.entity else Q()


def _against(user: Any, step: Step | None) -> dict[str, Any] | None:
    """An invoice that is not recorded beside the order that it bills."""
    found = against_order.of(user, step)
    if found is None:
        return None
    invoice, group = found.invoice, found.group
    heads = (
        ("Invoice group", invoice.group, group.key if group else ""),
        ("Legal entity", invoice.legal_entity, group.entity if group else ""),
        ("Currency", invoice.currency, group.currency if group else ""),
    )
    return {
        "order": found.order,
        "href": address_of("order", found.order.id),
        "invoice": invoice,
        "heads": [{"called": name, "invoice": on, "order": sold, "differs": on != sold} for name, on, sold in heads],
        "products": found.products,
        "billed": [{"one": one, "href": address_of("invoice", one.invoice_id)} for one in found.billed],
        "more": found.more,
    }


def _row(noun: str, record: Any, name: str) -> dict[str, Any]:
    return {"noun": noun, "name": name, "state": record.state, "href": address_of(noun, record.id)}


def _payload(user: Any, case: Case, step: Step | None) -> dict[str, Any]:
    raw = getattr(case, "raw", None)
    if raw is not None:
        came = {
            "payload": bytes(raw.body),
            "title": f"As it came{f', {raw.content_type}' if raw.content_type else ''}",
            "findings": [],
        }
        return came | _beside(user, case, bytes(raw.body))
    event = _event(case, step)
    document = parsed(event.payload) if event is not None else None
    return {
        "payload": document,
        "title": f"{event.type} v{event.schema_version}" if event is not None else "",
        "findings": case.context.get("findings", []),
        "event": event,
        **_booked(user, case, event, document),
    }


def _booked(user: Any, case: Case, event: Event | None, document: Any) -> dict[str, Any]:
    """Of an invoice that billing changed after it was booked: the one that is booked, and in what they differ."""
    if event is None or case.reason != Reason.INVOICE_CHANGED or not isinstance(document, dict):
        return {}
    seen = Invoice.objects.visible_to(user)
    same = seen.filter(source=event.source, billing_reference=document.get("billing_reference") or None)
    there = same.exclude(state="voided").select_related("event").first() or billing_now.invoice_of(case)
    if there is None:
        return {}
    was = parsed(there.event.payload)
    return {
        "event": there.event,
        "taken": was,
        "taken_as": "What was booked here" if case.resolved_at or there.reversed_at else "What is booked here",
        "changes": of_one(there.source, was, event.source, document),
        "records": _documents(user, case, None)["ours"],
    }


def _beside(user: Any, case: Case, body: bytes) -> dict[str, Any]:
    """Of what came twice under one id: the one that was taken, and in what they differ."""
    event = Event.objects.filter(id=case.event_id).first() if case.event_id else None
    if event is None or case.reason != Reason.EVENT_CONFLICT:
        return {}
    was, now = parsed(event.as_sent), parsed(body)
    both = isinstance(was, dict) and isinstance(now, dict)
    return {
        "event": event,
        "taken": was,
        "changes": differences(was, now) if both else [],
        "records": _documents(user, case, None)["ours"],
    }


def _attempts(user: Any, case: Case, step: Step | None) -> dict[str, Any]:
    rows = Attempt.objects.filter(step=step).order_by("-id")[:50] if step is not None else []
    return {"attempts": list(rows)}


def _history(user: Any, case: Case, step: Step | None) -> dict[str, Any]:
    """Every move of the case and of its step, newest first, each with its own reason: whose words, or none."""
    ids = [case.id, *([step.id] if step is not None else [])]
    nouns = {"exceptions_case": "case", "q2c_step": "step"}
    moves = list(Transition.objects.filter(record_id__in=ids).order_by("-id")[:MOST])
    events = list(case.events.filter(kind__in=set().union(*_TOLD_BY.values())).order_by("id")[: 2 * MOST])
    told: set[tuple[str, int]] = set()
    who = people.names(move.actor for move in moves)
    rows = [
        {
            "noun": nouns.get(move.machine, move.machine),
            "move": move,
            "who": who.get(move.actor, move.actor),
            "why": _why(move, events, told),
        }
        for move in reversed(moves)
    ]
    return {"moves": rows[::-1]}


# Which entry of the timeline tells why a case or its step came to a state; the entry is written with the move.
_TOLD_BY: dict[str, set[str]] = {
    "open": {"opened", "failed_again", "reopened", "cause_changed", "woken", "released", "approval_refused",
             "approval_withdrawn"},
    "failed": {"opened", "failed_again", "reopened", "cause_changed", "approved"},
    "in_progress": {"claimed"},
    "snoozed": {"snoozed"},
    "awaiting_approval": {"approval_requested"},
    "replaying": {"replay_requested", "approved"},
    "waiting": {"replay_requested", "approved"},
    "reopened": {"reopened", "approved"},
    "resolved": {"resolved", "replay_confirmed"},
    "closed_without_fix": {"approved", "closed_without_fix"},
    "abandoned": {"approved", "closed_without_fix"},
}  # fmt: skip
# Move and entry are written in one transaction.
_TOGETHER_S = 2


def _why(move: Transition, events: Sequence[CaseEvent], told: set[tuple[str, int]]) -> str:
    """The words of the entry written with it. Without one, its own, where they are not the failure's that it keeps.

    `told` are the entries that an earlier move of the same record has used.
    """
    kinds = _TOLD_BY.get(move.target, set()) if (move.target, move.source) != ("waiting", "") else set()
    for event in events:
        apart_s = abs((event.at - move.at).total_seconds())
        if event.kind in kinds and apart_s <= _TOGETHER_S and (move.machine, event.pk) not in told:
            told.add((move.machine, event.pk))
            return " ".join(filter(None, (str(event.data.get("batch", "")), event.text)))
    failures = {event.text for event in events if event.kind in _TOLD_BY["failed"]}
    return "" if move.why in failures and move.target != "failed" else move.why


_VIEWS: dict[str, tuple[Callable[[Any, Case, Step | None], dict[str, Any]], str]] = {
    "timeline": (_timeline, ""),
    "documents": (_documents, ""),
    "payload": (_payload, "q2c.view_event"),
    "attempts": (_attempts, "q2c.view_attempt"),
    "history": (_history, ""),
}
