"""Versions of one thing that meet: of those that wait or failed only the newest is left.

A version is an event with a step of its own. The newest is the one with the latest time of its event, which is when it
was changed at its source as far as the source says so; of two with the same time the one received later.
"""

from __future__ import annotations

import datetime as dt
import json
import uuid
import zlib
from collections.abc import Hashable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from exceptions import cases
from q2c import bulk, clock, keys, states
from q2c.connectors.outcomes import Posted
from q2c.models import Step
from q2c.models.step import OPEN
from q2c.reasons import Reason
from q2c.stages.verb import Work

# Versions of one thing are planned by one transaction after the other. A bounded number of turns: a lock for each of
# 10,000 would not fit into the database's table of locks.
TURNS = 1024
_KEY_MAX = 160
IDLE, _MEETING = ("waiting", "failed"), ("waiting", "running", "failed")
_ENDED = ("done", "abandoned")
_TAKE_TURNS = "SELECT pg_advisory_xact_lock(hashtext(%s::text), turn) FROM unnest(%s::int[]) AS turn"


def shortened(key: str) -> str:
    """As an order key holds it: two that are too long are two all the same."""
    return key if len(key) <= _KEY_MAX else key[: _KEY_MAX - 33] + ":" + keys.fingerprint(key.encode()).hex()[:32]


def invoice_key(source: str, reference: str) -> str:
    """The order key of the steps of all versions of an invoice."""
    return shortened(f"invoice:{source}:{reference}")


@dataclass(frozen=True, slots=True)
class _Version:
    """One step."""

    step_id: uuid.UUID
    state: str
    event_id: uuid.UUID
    occurred_at: dt.datetime
    seq: int
    thing: Hashable


@dataclass(frozen=True, kw_only=True, slots=True)
class Versions:
    """Of what: `stage` whose steps are versions, `noun` for the sentence, and what tells two things apart.

    `by` always does, a column of q2c_step: business_key or order_key. `apart` are more, as SQL over q2c_step s and
    q2c_event e. `lasting`: what ended counts, too, so that an older one which comes late changes nothing.
    """

    stage: str
    noun: str
    by: str = "business_key"
    apart: tuple[str, ...] = ()
    lasting: bool = False

    def supersede_older(self, keys: Iterable[str]) -> None:
        """Called with what they are known `by` once the steps of all versions that arrived are there.

        One transaction does this for a thing at a time and the next sees what it left; one that is being worked on is
        waited for, as it may be about to fail.
        """
        wanted = set(keys)
        turns = sorted({zlib.crc32(key.encode()) % TURNS for key in wanted})
        bulk.execute(_TAKE_TURNS, [f"versions of a {self.noun}", turns])
        older = _older(self._open(wanted, "FOR NO KEY UPDATE OF s"))
        ids = [version.step_id for version, _ in older if version.state in IDLE]
        if ids:
            text = f"a newer version of the {self.noun} arrived"
            states.move(Step, "abandon", ids, reason=Reason.SUPERSEDED, text=text)
            cases.resolve_for({id_: {} for id_ in ids}, actor="q2c", resolution="superseded")

    def take_out(self, thing: tuple[Hashable, ...], actor: str, text: str, proof: Mapping[str, Any]) -> bool:
        """All that is open of one thing is there no more: it is superseded by nothing. Called in a transaction.

        Returns whether none is left; what is being worked on is, and is taken out once that has ended.
        """
        key = str(thing[0])
        bulk.execute(_TAKE_TURNS, [f"versions of a {self.noun}", [zlib.crc32(key.encode()) % TURNS]])
        mine = [each for each in self._open([key], "FOR NO KEY UPDATE OF s", OPEN) if each.thing == thing]
        ids = [version.step_id for version in mine if version.state in IDLE]
        return len(end(ids, actor, text, proof)) == len(mine)

    def leave_overtaken(self, works: Sequence[Work]) -> list[Work]:
        """Works whose thing came again while they waited or were worked on end as superseded; returns the others."""
        states_ = (*_MEETING, *_ENDED) if self.lasting else _MEETING
        found = _older(self._open({getattr(work.step, self.by) for work in works}, states_=states_))
        newer = {version.step_id: newest for version, newest in found}
        for work in works:
            if work.step.id in newer:
                proof = {"superseded_by": str(newer[work.step.id].event_id)}
                work.findings.clear()
                work.outcome = Posted(reference="superseded", proof=proof)
        return [work for work in works if work.step.id not in newer]

    def _open(self, keys: Iterable[str], lock: str = "", states_: Sequence[str] = _MEETING) -> list[_Version]:
        # Asked for everything that comes in, and of every batch that is worked on.
        rows = bulk.execute(
            f"SELECT s.id, s.state, s.event_id, e.occurred_at, s.seq, {', '.join((f's.{self.by}', *self.apart))} "
            f"FROM q2c_step s JOIN q2c_event e ON e.id = s.event_id WHERE s.{self.by} = ANY(%s::text[]) "
            f"AND s.stage = %s::text AND s.state = ANY(%s::text[]) ORDER BY s.id {lock}",
            [list(keys), self.stage, list(states_)],
        )
        return [
            _Version(id_, state, event_id, occurred_at, seq, tuple(thing))
            for id_, state, event_id, occurred_at, seq, *thing in rows
        ]


def end(step_ids: Sequence[uuid.UUID], actor: str, text: str, proof: Mapping[str, Any]) -> list[uuid.UUID]:
    """Steps that nothing takes the place of end as superseded, with cases and questions. Returns those that did."""
    columns = {"reason": Reason.SUPERSEDED, "text": text, "proof": json.dumps(proof), "finished_at": clock.now()}
    moved: list[uuid.UUID] = states.move(Step, "abandon", step_ids, **columns)
    cases.resolve_for(dict.fromkeys(moved, proof), actor, "superseded", why=text)
    return moved


def _older(versions: Sequence[_Version]) -> list[tuple[_Version, _Version]]:
    """(version, the newest of its thing) for all but the newest."""
    newest: dict[Any, _Version] = {}
    for version in sorted(versions, key=lambda each: (each.occurred_at, each.seq)):
        newest[version.thing] = version
    return [(each, newest[each.thing]) for each in versions if each is not newest[each.thing]]
