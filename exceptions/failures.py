"""What the engine says about a step that failed, or intake about what it could not read."""

from __future__ import annotations

import datetime as dt
import uuid
from collections.abc import Mapping
from dataclasses import dataclass
from dataclasses import field as dataclass_field
from typing import Any

from exceptions import rowsets, sentences
from exceptions.models import Case, Policy
from q2c import keys
from q2c.reasons import Reason


@dataclass(frozen=True, kw_only=True, slots=True)
class Failure:
    """A step that cannot go on by itself. `blocker` is (connection, object type, object key, condition).

    `text` is what the platform or the check said; left empty, the policy's sentence is said. `amount_minor` counts
    in minor units of `currency`. `source` and `target` name platforms: salesforce → erp-us. `asked_by` is the
    key of the user for whom a second person's word is asked; None where the flow asks, or where it is not known who
    does: `sent_with` then names the API key, and `not_by` are users that it may be, who do not decide.
    """

    step_id: uuid.UUID
    reason: str
    event_id: uuid.UUID | None = None
    stage: str = ""
    part: str = ""
    text: str = ""
    code: str = ""
    field: str = ""
    blocker: sentences.Blocker | None = None
    amount_minor: int | None = None
    currency: str = ""
    entity: str = ""
    period: str = ""
    business_key: str = ""
    customer: str = ""
    customer_key: str = ""
    source: str = ""
    target: str = ""
    connection: str = ""
    context: Mapping[str, Any] = dataclass_field(default_factory=dict)
    correlation_id: uuid.UUID | None = None
    asked_by: int | None = None
    sent_with: str = ""
    not_by: tuple[int, ...] = ()


@dataclass(frozen=True, kw_only=True, slots=True)
class RawItem:
    """What came in from `source` and could not be read, or may not be taken.

    `of_entity`: its business key names it within its legal entity alone; another entity's is another document.
    """

    body: bytes
    source: str
    text: str
    reason: str = "event_malformed"
    content_type: str = ""
    code: str = ""
    field: str = ""
    business_key: str = ""
    customer: str = ""
    amount_minor: int | None = None
    currency: str = ""
    entity: str = ""
    period: str = ""
    event_id: uuid.UUID | None = None
    context: Mapping[str, Any] = dataclass_field(default_factory=dict)
    correlation_id: uuid.UUID | None = None
    of_entity: bool = False

    @property
    def called(self) -> str:
        """What its source calls the document, in all of its versions."""
        return str(self.context.get("reference") or self.business_key)


def blocker_of(failure: Failure | RawItem) -> sentences.Blocker | None:
    """What stands in the way. Of what came in unreadable it is only told to the problem: nothing of it is replayed."""
    if isinstance(failure, Failure):
        return failure.blocker
    # As steps of that connection have it.
    is_let_in = failure.reason != Reason.CREDENTIALS_REFUSED
    return None if is_let_in else (failure.source, "connection", failure.source, Reason.CREDENTIALS_REFUSED.value)


def fingerprint(failure: Failure | RawItem) -> str:
    """What makes two failures one problem: reason and blocker, else reason, connection and code."""
    if blocker := blocker_of(failure):
        cause: list[str] = [failure.reason, *blocker]
    else:
        where = failure.connection if isinstance(failure, Failure) else failure.source
        cause = [failure.reason, where, failure.code]
    return keys.fingerprint(keys.canonical([str(part) for part in cause])).hex()


def said(failure: Failure, policy: Policy) -> str:
    """The sentence that says what happened."""
    worth = (
        sentences.amount(failure.amount_minor, failure.currency)
        if failure.amount_minor is not None and failure.currency
        else ""
    )
    names = (
        "business_key",
        "customer",
        "currency",
        "entity",
        "period",
        "connection",
        "source",
        "code",
        "field",
        "stage",
    )
    values = {name: str(getattr(failure, name)) for name in names}
    values |= {
        "amount": worth,
        "blocker": sentences.thing(failure.blocker) if failure.blocker else "",
        "target": failure.target or failure.connection,
        "text": failure.text,
    }
    return failure.text or sentences.filled(policy.sentence, values)


def cause_columns(failure: Failure, policy: Policy, problem_id: uuid.UUID, now: dt.datetime) -> dict[str, Any]:
    """The columns of a case that its latest failure decides."""
    blocker = failure.blocker or ("", "", "", "")
    # Without a currency a number is no amount; it stays readable in the context.
    counts = failure.amount_minor is not None and bool(failure.currency)
    context = dict(failure.context)
    if failure.amount_minor is not None and not counts:
        context["amount_without_currency"] = failure.amount_minor
    columns = {
        "problem": problem_id,
        "reason": str(failure.reason),
        "text": said(failure, policy),
        "code": failure.code,
        "field": failure.field,
        "severity": policy.severity,
        "connection": failure.connection,
        "blocker_connection": blocker[0],
        "blocker_type": blocker[1],
        "blocker_key": blocker[2],
        "blocker_condition": blocker[3],
        "blocker_gone_at": None,
        "next_cause": None,
        "amount_minor": failure.amount_minor if counts else None,
        "currency": failure.currency,
        "entity": failure.entity,
        "period": failure.period,
        "business_key": failure.business_key,
        "customer": failure.customer,
        "customer_key": failure.customer_key,
        "source": failure.source,
        "target": failure.target or failure.connection,
        "context": context,
        "last_failed_at": now,
    }
    return rowsets.fitted(Case, columns)


def new_columns(
    failure: Failure, policy: Policy, problem_id: uuid.UUID, now: dt.datetime, due_at: dt.datetime
) -> dict[str, Any]:
    """The columns of a case that is opened."""
    return {
        "id": keys.new_id(),
        "correlation_id": failure.correlation_id or keys.new_id(),
        "state": "open",
        "step_id": failure.step_id,
        "event_id": failure.event_id,
        **rowsets.fitted(Case, {"stage": failure.stage, "part": failure.part}),
        **cause_columns(failure, policy, problem_id, now),
        **NEW,
        "owner_team": policy.owner_team_id,
        "opened_at": now,
        "level_from": now,
        "level_h": policy.service_level_h,
        "due_at": due_at,
    }


# What a case has before anybody touched it; a set-based insert names each column.
NEW: dict[str, Any] = {
    "owner_by_hand": False,
    "paused_s": 0,
    "snooze_until_blocker": False,
    "attempts": 1,
    "resolution": "",
    "root_cause": "",
    "document": "",
    "proof": {},
}
