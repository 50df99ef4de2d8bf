"""An order that somebody waits for: taken in like any other, and its accept_order step run at once.

The same stage, the same engine: only that the step is claimed by whoever asked, before any worker can be faster.
"""

from __future__ import annotations

import uuid
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from django.db import transaction
from django.db.models import Q

from exceptions.models import Case
from q2c import clock, keys
from q2c.connectors import http
from q2c.connectors.outcomes import Posted, Rejected, Unavailable
from q2c.engine import envelope, failures, gates, intake, replay, run
from q2c.engine.claim import claim_these
from q2c.engine.intake import Item, Sender
from q2c.models import Order, Step
from q2c.reasons import APPROVALS, Reason
from q2c.stages import STAGES, deals, orders
from q2c.stages.verb import Fact, Work, described

STAGE = "accept_order"


@dataclass(frozen=True, kw_only=True, slots=True)
class Answer:
    """`status`: accepted, awaiting_approval, refused, waiting (a service did not answer, or it is held), superseded,
    abandoned. `findings` are the failed checks, of accept_order or waiting for a second person."""

    status: str
    event_id: uuid.UUID | None = None
    correlation_id: uuid.UUID | None = None
    order: Order | None = None
    case: Case | None = None
    findings: list[dict[str, Any]] = field(default_factory=list)
    text: str = ""
    is_new: bool = True


def item_of(body: bytes, system: str) -> Item:
    """The order as an event: the same document again is the same event, another version of it another."""
    document = envelope.strict.decode(body)
    number = document.get("order_number") if isinstance(document, dict) else None
    version = keys.fingerprint(keys.canonical(document)).hex()[:24]
    attributes = {
        "specversion": "1.0",
        "id": f"{str(number)[:64]}:{version}",
        "source": system,
        "type": "OrderReceived",
        "time": clock.now().isoformat(),
    }
    return Item(body=body, attributes=attributes, content_type="application/json")


def submit(item: Item, sender: Sender) -> Answer:
    """Take the order in and run its step. Raises Faulty where the document is malformed: then nothing is kept."""
    envelope.read(item, sender)
    with transaction.atomic():
        taken = intake.take([item], sender)[0]
        if taken.status == "duplicate" and (back := _taken_back(item, sender)):
            taken = intake.take([back], sender)[0]
        if taken.event_id is None:
            raise intake.Faulty(*taken.faults)
        step_id = Step.objects.values_list("id", flat=True).get(event=taken.event_id, stage=STAGE)
        if taken.status == "duplicate":
            _put_back(step_id, sender)
        steps = claim_these(STAGE, [step_id])
    if steps:
        run.run_claimed(STAGE, steps)
    return answer_of(step_id, is_new=taken.status == "stored")


def _taken_back(item: Item, sender: Sender) -> Item | None:
    """The item as a version of its own, where another one came in between: the sender takes that change back.

    Its id names the version it follows, so that sent again it is a repeat. None where nothing came in between.
    """
    attributes = item.attributes or {}
    mine = Q(event__source=sender.system) | Q(event__source__startswith=f"{sender.system}/")
    number = attributes["id"].rpartition(":")[0]
    versions = Step.objects.filter(mine, stage=STAGE, business_key=number).order_by("-event__occurred_at", "-seq")
    newest = versions.values_list("event_id", "event__source", "event__source_id").first()
    if newest is None:
        return None
    event_id, source, source_id = newest
    if source == sender.system and source_id == attributes["id"]:
        return None
    again = source == sender.system and source_id.startswith(f"{attributes['id']}:")
    return replace(item, attributes={**attributes, "id": source_id if again else f"{attributes['id']}:{event_id.hex}"})


def _put_back(step_id: uuid.UUID, sender: Sender) -> None:
    """Sent again after it was refused: master data may have been put right since. What waits for a person waits on."""
    if answer_of(step_id).status == "refused":
        replay.replay([step_id], actor=sender.actor, why="sent again")


def answer_of(step_id: uuid.UUID, *, is_new: bool = False) -> Answer:
    """What the step has come to by now."""
    step = Step.objects.select_related("event").get(id=step_id)
    order = Order.objects.filter(number=step.business_key).select_related("event").first()
    if order and step.reference != str(order.id) and deals.Deals().is_anothers(run.fact_of(step.event), order):
        # What another system sells is not told to this one.
        order = None
    case = Case.objects.filter(step_id=step_id).first() if step.state == "failed" else None
    findings = list(case.context.get("findings", [])) if case else []
    return Answer(
        status=_status_of(step, findings),
        event_id=step.event_id,
        correlation_id=step.correlation_id,
        order=order,
        case=case,
        findings=findings,
        text=step.text,
        is_new=is_new,
    )


def _status_of(step: Step, findings: Sequence[dict[str, Any]]) -> str:
    match step.state:
        case "done":
            return "superseded" if step.reference == "superseded" else "accepted"
        case "failed":
            only_signatures = findings and all(finding["reason"] in APPROVALS for finding in findings)
            return "awaiting_approval" if only_signatures else "refused"
        case "abandoned":
            return "superseded" if step.reason == Reason.SUPERSEDED else "abandoned"
    return "waiting"


def rehearse(item: Item, sender: Sender) -> Answer:
    """What `submit` would come to now: every check is made, the services are asked, nothing is kept. Raises Faulty."""
    incoming = envelope.read(item, sender)
    fact = Fact(
        id=keys.new_id(), type=incoming.type, source=incoming.source, source_id=incoming.source_id,
        correlation_id=incoming.correlation_id, occurred_at=incoming.occurred_at, payload=incoming.payload,
    )  # fmt: skip
    verb, open_gates = STAGES[STAGE].verb, gates.Gates()
    ((part,),) = verb.plan([fact])
    named = {"business_key": part.business_key, "order_key": part.order_key}
    work = Work(step=Step(id=keys.new_id(), stage=STAGE, phase="send", **named), fact=fact)
    with transaction.atomic():
        run.each_or_all([work], verb.prepare)
        transaction.set_rollback(True)
    if work.is_open:
        with http.calling(fact.correlation_id), http.recording():
            work.outcome = gates.guarded(work, lambda one: verb.call(open_gates.open, one))
        if isinstance(work.outcome, Rejected):
            work.findings.append(failures.refusal(work.outcome))
        # What was asked about another version of it is asked about this one.
        with transaction.atomic():
            work.notes["found"] = orders.unsigned([work])[work.step.id]
    found = [described(finding) for finding in [*work.findings, *work.notes.get("found", [])]]
    if isinstance(work.outcome, Unavailable):
        return Answer(status="waiting", findings=found, text=work.outcome.text)
    if isinstance(work.outcome, Posted) and work.outcome.reference == "superseded":
        return Answer(status="superseded")
    if any(finding["reason"] not in APPROVALS for finding in found):
        return Answer(status="refused", findings=found)
    return Answer(status="awaiting_approval" if found else "accepted", findings=found)
