"""Under which key a platform holds what a step wrote: what an auditor searches for there."""

from __future__ import annotations

import uuid
from collections.abc import Iterable

from ledger.models import JournalEntry
from q2c.models import Step
from q2c.stages.post_journal import journals_of


def keys_there(steps: Iterable[Step]) -> dict[uuid.UUID, str]:
    """By step, for those that go to a platform; of a journal the external id is the entry's own, not the step's.

    Steps as they are kept since their proof names the key; older ones are asked by their journal, in one look-up.
    """
    sent = [step for step in steps if step.connection]
    older = [step for step in sent if step.stage == "post_journal" and not step.proof.get("key")]
    entries = journals_of(older) if older else {}
    return {step.id: str(step.proof.get("key") or _older(step, entries)) for step in sent}


def _older(step: Step, entries: dict[uuid.UUID, JournalEntry]) -> str:
    if step.id in entries:
        return entries[step.id].key
    # An ERP holds a customer under the customer's own key, which is also what it calls it.
    return step.document if step.stage == "sync_customer" and step.document else step.key
