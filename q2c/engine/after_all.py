"""Somebody wants after all what two people gave up.

An invoice that the books hold nothing of comes once more, as that person's wish: the document as billing has it,
checked like any other, and a second person signs it (stages/given_up.py). A journal that stayed in the books here is
there already: once a second person agrees, its step goes on as replayed, under its own key, with what it sent before.
What could not be read is asked for in billing (read_after_all.py).
"""

from __future__ import annotations

import re
import uuid
from typing import Any

from django.db import transaction
from django.db.models import Q

from exceptions import approvals, rights, timeline
from exceptions.errors import NotPossible
from exceptions.models import Approval, Case
from ledger.models import JournalEntry
from q2c import clock, keys, states
from q2c.contracts import stored
from q2c.contracts.documents import InvoiceDocument
from q2c.engine import emit, read_after_all, replay
from q2c.engine.emit import Incoming
from q2c.engine.read_after_all import CAME_AGAIN, NOT_GIVEN_UP, must_be_there
from q2c.models import Event, Step
from q2c.reasons import Reason
from q2c.stages import given_up, post_journal
from q2c.stages.versions import invoice_key

RIGHT = rights.REPLAY
_ID_MAX = 200
_TOKEN = re.compile(r"[\w-]{0,64}")
_ASKED_ALREADY = "That it be posted after all is asked for already; see Approvals"


def why_not(case: Case) -> str:
    """Why what was given up with a case cannot be asked for; empty where it can."""
    if unposted(case) is not None:
        return _ASKED_ALREADY if _asked(case) is not None else ""
    try:
        if case.step_id is None:
            read_after_all.billing_of(case)
        else:
            _given_up(case)
    except NotPossible as refused:
        return str(refused)
    return ""


def unposted(case: Case) -> JournalEntry | None:
    """The journal that was given up with a case, and is in the books here and not posted."""
    if case.state != "closed_without_fix":
        return None
    steps = Step.objects.filter(id__in=[case.step_id], state="abandoned", stage="post_journal")
    entries = post_journal.journals_of(steps.exclude(reason=Reason.SUPERSEDED)).values()
    return next((entry for entry in entries if entry.state in ("ready", "blocked")), None)


def take_up(row: Approval) -> None:
    """What was just approved, in the caller's transaction: its step is to be replayed. Raises NotPossible."""
    if row.case is None or row.case.step_id is None or unposted(row.case) is None:
        raise NotPossible("No journal is given up with this case any more; refuse the request")
    replay.take_up([row.case.step_id])


def ask(user: Any, case_id: uuid.UUID, why: str, token: str = "") -> None:
    """Have an invoice told of once more, or billing asked for it, or ask that a journal be posted. Raises Refused
    without the right, NotPossible where nothing is to be had.

    The same `token` again is the same request.
    """
    rights.require(user, RIGHT, "have it booked after all", [case_id])
    if not _TOKEN.fullmatch(token):
        raise NotPossible("This request was not made by this page: open it anew")
    said = " ".join(why.split())
    if not said:
        raise NotPossible("Say why; whoever decides reads it")
    with transaction.atomic(), states.acting(rights.name_of(user), said):
        case = Case.objects.visible_to(user).filter(id=case_id).first()
        if case is None:
            raise NotPossible("There is no such case")
        # Of two who ask at once the second is told that it was asked.
        list(Step.objects.select_for_update().filter(id__in=[case.step_id]).values_list("id"))
        if case.step_id is None:
            held = Case.objects.select_for_update(of=("self",)).get(id=case.id)
            read_after_all.ask(user, held, said, token)
            return
        if unposted(case) is not None:
            _ask_to_post(user, case, said, token)
            return
        event, document = _given_up(case, token)
        wish = f"{rights.called(user)} asks to book it after all: {said}"
        (one,) = emit.store([_once_more(event, document, user, token)])
        if one.status == "stored":
            timeline.record([(case.id, given_up.AFTER_ALL, wish, {"event": str(one.id)})], rights.name_of(user))


def _ask_to_post(user: Any, case: Case, said: str, token: str) -> None:
    waiting = _asked(case)
    if waiting is not None and token and (waiting.data.get("token"), waiting.requested_by_id) == (token, user.pk):
        return
    if waiting is not None:
        raise NotPossible(_ASKED_ALREADY)
    wish = f"{rights.called(user)} asks to post it after all: {said}"
    approvals.ask([case], approvals.AFTER_ALL, wish, user.pk, clock.now(), token=token)
    entry = (case.id, "approval_requested", wish, {"action": approvals.AFTER_ALL})
    timeline.record([entry], rights.name_of(user))


def _asked(case: Case) -> Approval | None:
    return case.approvals.filter(action=approvals.AFTER_ALL, state="requested").first()


def _given_up(case: Case, token: str = "") -> tuple[Event, InvoiceDocument]:
    """Its event and its document. Raises NotPossible."""
    steps = Step.objects.filter(id__in=[case.step_id], state="abandoned")
    step = steps.select_related("event").first()
    if case.state != "closed_without_fix" or step is None or step.stage not in ("record_invoice", "post_journal"):
        raise NotPossible(NOT_GIVEN_UP)
    event_id = step.event_id if step.stage == "record_invoice" else step.event.causation_id
    event = Event.objects.filter(id__in=[event_id], type="InvoiceIssued").first()
    if event is None:
        raise NotPossible(NOT_GIVEN_UP)
    document = stored.read(event.payload, InvoiceDocument)
    named = event.source, document.billing_reference
    mine = given_up.document_of(event.source, event.source_id, document, invoice_key(*named))
    decided = given_up.of({mine}).get(named)
    if decided is None or decided.step_id != step.id:
        raise NotPossible(f"{NOT_GIVEN_UP}, or somebody has decided otherwise since")
    must_be_there(case, event.source)
    if _came_again(event, token).exists():
        raise NotPossible(CAME_AGAIN)
    return event, document


def _came_again(event: Event, token: str) -> Any:
    """Versions that came after it, but for what this very request made."""
    mine = Step.objects.filter(stage="record_invoice", event=event).first()
    if mine is None:
        return Step.objects.none()
    later = Q(event__occurred_at__gt=event.occurred_at) | Q(event__occurred_at=event.occurred_at, seq__gt=mine.seq)
    rows = Step.objects.filter(later, stage="record_invoice", order_key=mine.order_key)
    return rows.exclude(event__source_id=_id(event, token)) if token else rows


def _once_more(event: Event, document: InvoiceDocument, user: Any, token: str) -> Incoming:
    """As of the change that it is: what billing changes from now on is newer."""
    return Incoming(
        type=event.type, version=event.schema_version, source=event.source, source_id=_id(event, token),
        correlation_id=event.correlation_id, causation_id=None, occurred_at=event.occurred_at,
        raw=event.payload.encode(), payload=document, sent_by=user.pk,
    )  # fmt: skip


def _id(event: Event, token: str) -> str:
    """Of the same version, so that billing's own return of it is known."""
    once = token or str(keys.new_id())
    return f"{event.source_id[: _ID_MAX - 1 - len(once)]}:{once}"
