"""People at their desks: they find cases, claim them, put right what is wrong where it is wrong, and replay.

Each reason has its fix: who, how soon, and what they do. Everything goes through the verbs that the pages use.
"""

from __future__ import annotations

import datetime as dt
import random
import uuid
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from exceptions import casework
from exceptions.models import Approval, Case, Offer
from exceptions.models.case import TO_DO
from q2c import clock
from q2c.demo import people
from q2c.demo.agenda import Agenda, office_hours
from q2c.demo.flow import Flow
from q2c.engine import desk, watch
from q2c.reasons import APPROVALS, Reason

# A repair gets the cases of one cause; what it cannot put right it leaves, and the cases stay open.
Repair = Callable[[Sequence[Case]], None]


@dataclass(frozen=True, slots=True)
class Fix:
    """`hours` of a working week between the first look and the repair, least and most."""

    who: str
    note: str
    repair: str
    hours: tuple[float, float] = (1, 30)


R = Reason
FIXES: dict[Reason, Fix] = {
    R.ITEM_MAPPING_MISSING: Fix("mei", "New product, no item yet. Asking for one.", "map_item", (8, 60)),
    R.TAX_NEXUS_MISSING: Fix("ben", "Tax confirms that we are registered there.", "register", (20, 70)),
    R.CREDIT_REFUSED: Fix("carla", "Talked to collections; the limit is being reviewed.", "raise_limit", (4, 50)),
    R.TAX_REFUSED: Fix("sofia", "The ship-to ZIP code is a typo. Corrected on the deal.", "correct_deal", (2, 20)),
    R.PRICE_MISMATCH: Fix("tom", "The quote was rounded by hand. Corrected on the deal.", "correct_deal", (2, 24)),
    R.CUSTOMER_INACTIVE: Fix("sofia", "Parked by mistake in the clean-up; reactivated.", "reactivate", (1, 16)),
    R.PERIOD_CLOSED: Fix("carla", "Late billing for a closed month; reopening it for these.", "reopen_period", (2, 30)),
    R.DIMENSION_INACTIVE: Fix("mei", "Switched off in a clean-up; asking for it.", "reactivate_in_erp", (4, 40)),
    R.ACCOUNT_INACTIVE: Fix("carla", "It was locked for the audit; needed again.", "reactivate_in_erp", (3, 20)),
    R.SUBSCRIPTION_REFUSED: Fix("ben", "The product is missing in the billing catalogue.", "list_in_billing", (3, 30)),
    R.CONTENT_DIFFERS: Fix("nora", "Somebody edited our journal in NetSuite.", "nothing", (3, 30)),
}  # fmt: skip
_ELSE = Fix("nora", "Looking into it.", "nothing", (1, 12))
# Of ten causes one is looked at much later than it should be.
_SLOW = 0.1


class Office:
    def __init__(self, flow: Flow, agenda: Agenda, chance: random.Random) -> None:
        self.flow, self.agenda, self.chance = flow, agenda, chance
        self.repairs: dict[str, Repair] = {"nothing": lambda cases: None}
        # Causes that nobody gets to before the story ends.
        self.left_open: set[str] = set()
        self._people: dict[str, Any] = {}
        self._known: set[uuid.UUID] = set()

    def person(self, name: str) -> Any:
        if name not in self._people:
            self._people[name] = people.user(name)
        return self._people[name]

    def look(self) -> None:
        """See what is new in the queue, and plan who does what about it when."""
        fresh = Case.objects.filter(state__in=(*TO_DO, "awaiting_approval")).exclude(problem_id__in=self._known)
        for problem_id, reason, key in fresh.order_by("number").values_list("problem_id", "reason", "blocker_key"):
            if problem_id in self._known:
                continue
            self._known.add(problem_id)
            self._plan(problem_id, Reason(reason), is_left={key, reason} & self.left_open != set())

    def _plan(self, problem_id: uuid.UUID, reason: Reason, *, is_left: bool) -> None:
        """What is left open is claimed at most."""
        fix = FIXES.get(reason, _ELSE)
        slow = 6.0 if self.chance.random() < _SLOW else 1.0
        seen_at = office_hours(clock.now() + dt.timedelta(hours=self.chance.uniform(0.3, 5) * slow))
        if reason in APPROVALS:
            if not is_left:
                self.agenda.plan(seen_at, lambda: self._decide(problem_id))
            return
        if is_left and reason == Reason.CREDIT_REFUSED:
            self.agenda.plan(seen_at, lambda: self._snooze(problem_id, fix))
            return
        if is_left:
            if self.chance.random() < 0.5:
                self.agenda.plan(seen_at, lambda: self._claim(problem_id, fix))
            return
        fixed_at = office_hours(seen_at + dt.timedelta(hours=self.chance.uniform(*fix.hours) * slow))
        self.agenda.plan(seen_at, lambda: self._claim(problem_id, fix))
        self.agenda.plan(fixed_at, lambda: self._fix(problem_id, fix))

    def _open_cases(self, problem_id: uuid.UUID, *states: str) -> list[Case]:
        return list(Case.objects.filter(problem_id=problem_id, state__in=states or TO_DO).order_by("number"))

    def _claim(self, problem_id: uuid.UUID, fix: Fix) -> None:
        ids = [case.id for case in self._open_cases(problem_id)]
        if ids:
            casework.claim(self.person(fix.who), ids)
            casework.comment(self.person(fix.who), ids[:1], fix.note)

    def _snooze(self, problem_id: uuid.UUID, fix: Fix) -> None:
        """Until after the end of the story."""
        ids = [case.id for case in self._open_cases(problem_id)]
        until = office_hours(self.agenda.ends_at + dt.timedelta(days=5))
        if ids:
            casework.comment(self.person(fix.who), ids[:1], fix.note)
            casework.snooze(self.person(fix.who), ids, until=until, why="they pay at the end of the month")

    def _fix(self, problem_id: uuid.UUID, fix: Fix) -> None:
        """Repair, then replay what the repair frees; what fails again is seen anew."""
        cases = self._open_cases(problem_id)
        self._known.discard(problem_id)
        if cases:
            self.repairs[fix.repair](cases)
            self.replay(self.person(fix.who), cases)
            self.flow.work()

    def replay(self, user: Any, cases: Sequence[Case]) -> None:
        """By the offer for the blocker where there is one, else the cases; in a batch where the person may."""
        first = cases[0]
        if first.blocker_connection:
            watch.changed(first.blocker_connection, first.blocker_type, first.blocker_key, actor="watch")
        offer = Offer.objects.filter(
            state="open", blocker_type=first.blocker_type, blocker_key=first.blocker_key,
            blocker_connection=first.blocker_connection,
        ).first() if first.blocker_type else None  # fmt: skip
        alone = offer.cases == 1 if offer else len(cases) == 1
        if offer and (alone or user.has_perm("exceptions.bulk_replay")):
            desk.send(user, desk.take_offer(user, offer.id).id)
            return
        open_ids = [case.id for case in self._open_cases(first.problem_id) if case.step_id]
        if len(open_ids) > 1 and user.has_perm("exceptions.bulk_replay"):
            desk.send(user, desk.plan(user, open_ids).id)
            return
        for case_id in open_ids:
            desk.replay_one(user, case_id)

    def _decide(self, problem_id: uuid.UUID) -> None:
        """A controller signs, or does not: then sales gives the deal up, and the other controller agrees to that."""
        self._known.discard(problem_id)
        waiting = self._open_cases(problem_id, "awaiting_approval")
        asked = list(Approval.objects.filter(case__in=waiting, state="requested"))
        if not asked:
            return
        if self.chance.random() < 0.85:
            desk.approve(self.person("carla"), [row.id for row in asked], "Fits the account plan.")
            self.flow.work()
            return
        desk.refuse(self.person("carla"), [row.id for row in asked], "Not on these terms; requote it.")
        ids = [case.id for case in waiting]
        self._known.add(problem_id)
        self.agenda.plan(office_hours(clock.now() + dt.timedelta(hours=20)), lambda: self._give_up(problem_id, ids))

    def _give_up(self, problem_id: uuid.UUID, ids: list[uuid.UUID]) -> None:
        self._known.discard(problem_id)
        casework.claim(self.person("tom"), ids)
        done = desk.close_without_fix(self.person("tom"), ids, "The customer signs on other terms.", "order_entry").done
        asked = Approval.objects.filter(case__in=done, state="requested").values_list("id", flat=True)
        if asked:
            desk.approve(self.person("dmitri"), list(asked), "Agreed.")
            self.flow.work()
