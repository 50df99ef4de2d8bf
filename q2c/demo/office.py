"""People at their desks: they find cases, claim them, put right what is wrong where it is wrong, and replay.

Each reason has its fix: who, and what they do. How soon is a share of the case's service level. Everything goes
through the verbs that the pages use.
"""

from __future__ import annotations

import datetime as dt
import random
import uuid
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

from exceptions import casework
from exceptions.models import Approval, Case, Offer
from exceptions.models.case import TO_DO
from q2c import clock
from q2c.demo import people
from q2c.demo.agenda import Agenda, office_hours, sitting
from q2c.demo.flow import Flow
from q2c.demo.hours import Hours
from q2c.engine import desk, watch
from q2c.reasons import APPROVALS, Reason

# A repair gets the cases of one cause; what it cannot put right it leaves, and the cases stay open.
Repair = Callable[[Sequence[Case]], None]


@dataclass(frozen=True, slots=True)
class Fix:
    """`note`: what is written on the case when it is claimed. `give_up`: nothing can be put right, for this cause."""

    who: tuple[str, ...]
    note: str
    repair: str = ""
    give_up: str = ""


# What may be all that somebody gets to.
CLAIM, SNOOZE = "claim", "snooze"

R = Reason
_SALES, _BILLING, _SYSTEMS, _CONTROL = ("sofia", "tom"), ("ben", "ines"), ("mei", "nora"), ("carla", "dmitri")
FIXES: dict[Reason, Fix] = {
    R.EVENT_MALFORMED: Fix(("pat",), "Told the sender which field it is.", "send_right"),
    R.EVENT_CONFLICT: Fix(("pat",), "Edited in the shop and sent again; the first stands.", give_up="interface_error"),
    R.CUSTOMER_UNKNOWN: Fix(_SALES, "New in the shop; setting the account up.", "know_customer"),
    R.CUSTOMER_INACTIVE: Fix(_SALES, "Parked by mistake in the clean-up; reactivated.", "reactivate"),
    R.PRODUCT_UNKNOWN: Fix(_SYSTEMS, "New in the price book; asking for treatment and item.", "know_product"),
    R.ITEM_MAPPING_MISSING: Fix(_SYSTEMS, "New product, no item yet. Asking for one.", "map_item"),
    R.TAX_NEXUS_MISSING: Fix(_BILLING, "Tax confirms that we are registered there.", "register"),
    R.REVENUE_TREATMENT_MISMATCH: Fix(_CONTROL, "Seats are earned over time; sales corrects the line.", "correct_deal"),
    R.BILLING_SCHEDULE_INVALID: Fix(_SALES, "The second phase began mid-month; corrected.", "correct_deal"),
    R.PRICE_MISMATCH: Fix(_SALES, "The quote was rounded by hand. Corrected on the deal.", "correct_deal"),
    R.CREDIT_REFUSED: Fix(_CONTROL, "Talked to collections; the limit is being reviewed.", "raise_limit"),
    R.TAX_REFUSED: Fix(_CONTROL, "The ship-to ZIP code is a typo. Sales corrects the deal.", "correct_deal"),
    R.SUBSCRIPTION_REFUSED: Fix(_BILLING, "The product is missing in the billing catalogue.", "list_in_billing"),
    R.INVOICE_DUPLICATE: Fix(_BILLING, "Billed twice; one of them will be voided there.", give_up="duplicate"),
    R.INVOICE_CHANGED: Fix(_BILLING, "Redated in billing after it was booked.", give_up="changed_in_billing"),
    R.INVOICE_MISMATCH: Fix(_BILLING, "Copied by hand in billing; it will be credited there.", give_up="duplicate"),
    R.DIMENSION_MISSING: Fix(_SYSTEMS, "The new item has no cost centre yet.", "complete_item"),
    R.DIMENSION_INACTIVE: Fix(_SYSTEMS, "Switched off in a clean-up; asking for it.", "reactivate_in_erp"),
    R.ACCOUNT_INACTIVE: Fix(_CONTROL, "It was locked for the audit; needed again.", "reactivate_in_erp"),
    R.PERIOD_CLOSED: Fix(_CONTROL, "Late billing for a closed month; reopening it for these.", "reopen_period"),
    R.CREDENTIALS_REFUSED: Fix(("pat",), "The license key ran out; entering the new one.", "renew_key"),
    R.CONTENT_DIFFERS: Fix(_SYSTEMS, "Somebody edited our journal in NetSuite."),
}  # fmt: skip
_ELSE = Fix(_SYSTEMS, "Looking into it.")
# Share of the service level after which a cause is put right; of ten, one is late.
_IN_TIME, _LATE, _LATE_SHARE = (0.2, 0.85), (1.15, 2.2), 0.1


class Office:
    def __init__(self, flow: Flow, agenda: Agenda, chance: random.Random, hours: Hours) -> None:
        self.flow, self.agenda, self.chance, self.hours = flow, agenda, chance, hours
        self.repairs: dict[str, Repair] = {}
        # Business keys of what nobody puts right before the story ends: "" | CLAIM | SNOOZE; another word: they do.
        self.left: dict[str, str] = {}
        # Nor what fails from then on.
        self.quiet_from = agenda.ends_at
        self._people: dict[str, Any] = {}
        self._known: set[uuid.UUID] = set()

    def person(self, name: str) -> Any:
        if name not in self._people:
            self._people[name] = people.user(name)
        return self._people[name]

    def look(self) -> None:
        """See what is new in the queue, and plan who does what about it when."""
        together: dict[uuid.UUID, list[Case]] = {}
        for case in Case.objects.filter(state__in=(*TO_DO, "awaiting_approval")).order_by("number"):
            if case.id in self._known:
                continue
            self._known.add(case.id)
            quiet = self.chance.choice(("", CLAIM)) if case.opened_at >= self.quiet_from else None
            then = self.left.get(case.business_key, quiet)
            if then in (CLAIM, SNOOZE):
                self._leave(case, then)
            elif then != "":
                together.setdefault(case.problem_id, []).append(case)
        for cases in together.values():
            self._plan(cases)

    def _moment(self, case: Case, share: float) -> dt.datetime:
        """When this share of a case's service level is used up, and people look at their queue."""
        at = self.hours.after(case.owner_team_id, case.level_from, share * case.level_h)
        at = max(at, clock.now() + dt.timedelta(minutes=10))
        seated = sitting(at)
        return at if at <= case.due_at < seated else seated

    def _plan(self, cases: list[Case]) -> None:
        first = cases[0]
        late = self.chance.random() < _LATE_SHARE
        share = self.chance.uniform(*(_LATE if late else _IN_TIME))
        done_at, ids = self._moment(first, share), [case.id for case in cases]
        if first.reason in APPROVALS:
            self.agenda.plan(done_at, partial(self._decide, ids))
            return
        fix = FIXES.get(Reason(first.reason), _ELSE)
        who = self.chance.choice(fix.who)
        if fix.give_up and not late:
            # A second person has to agree within the level, too.
            done_at = self._moment(first, share / 2)
        seen_at = self._moment(first, share * self.chance.uniform(0.2, 0.6))
        if seen_at < done_at:
            self.agenda.plan(seen_at, partial(self._claim, ids, who, fix.note))
        self.agenda.plan(done_at, partial(self._fix, ids, who, fix))

    def _leave(self, case: Case, then: str) -> None:
        if case.reason in APPROVALS:
            return
        fix = FIXES.get(Reason(case.reason), _ELSE)
        who, at = self.chance.choice(fix.who), self._moment(case, self.chance.uniform(0.1, 0.4))
        act = partial(self._snooze if then == SNOOZE else self._claim, [case.id], who, fix.note)
        self.agenda.plan(at, act)

    def _still(self, ids: Sequence[uuid.UUID], *states: str) -> list[Case]:
        return list(Case.objects.filter(id__in=ids, state__in=states or TO_DO).order_by("number"))

    def _claim(self, ids: Sequence[uuid.UUID], who: str, note: str) -> None:
        still = [case.id for case in self._still(ids)]
        if still:
            casework.claim(self.person(who), still)
            casework.comment(self.person(who), still[:1], note)

    def _snooze(self, ids: Sequence[uuid.UUID], who: str, note: str) -> None:
        """Until after the end of the story."""
        still = [case.id for case in self._still(ids)]
        until = office_hours(self.agenda.ends_at + dt.timedelta(days=5))
        if still:
            casework.claim(self.person(who), still)
            casework.snooze(self.person(who), still, until=until, why=note)

    def _fix(self, ids: Sequence[uuid.UUID], who: str, fix: Fix) -> None:
        """Repair, then replay what the repair frees; what fails again is seen anew."""
        cases = self._still(ids)
        self._known.difference_update(ids)
        if not cases:
            return
        if any(case.assignee_id is None for case in cases):
            casework.claim(self.person(who), [case.id for case in cases])
        if fix.give_up:
            self._give_up(cases, who, fix)
        elif fix.repair:
            self.repairs[fix.repair](cases)
            self.replay(self.person(who), cases)

    def replay(self, user: Any, cases: Sequence[Case]) -> None:
        """By the offer for the blocker where there is one, else the cases; in a batch where the person may."""
        first = cases[0]
        if first.blocker_connection:
            watch.changed(first.blocker_connection, first.blocker_type, first.blocker_key, actor="watch")
        offer = Offer.objects.filter(
            state="open", blocker_type=first.blocker_type, blocker_key=first.blocker_key,
            blocker_connection=first.blocker_connection,
        ).first() if first.blocker_type else None  # fmt: skip
        open_ids = [case.id for case in self._still([case.id for case in cases]) if case.step_id]
        if offer and (offer.cases == 1 or user.has_perm("exceptions.bulk_replay")):
            desk.send(user, desk.take_offer(user, offer.id).id)
        elif len(open_ids) > 1 and user.has_perm("exceptions.bulk_replay"):
            desk.send(user, desk.plan(user, open_ids).id)
        else:
            for case_id in open_ids:
                desk.replay_one(user, case_id)

    def _decide(self, ids: Sequence[uuid.UUID]) -> None:
        """A controller signs; or refuses a deal for good, which sales quotes anew."""
        self._known.difference_update(ids)
        waiting = self._still(ids, "awaiting_approval")
        asked = list(Approval.objects.filter(case__in=waiting, state="requested").values_list("id", flat=True))
        who = self.person(self.chance.choice(_CONTROL))
        is_deal = all(case.stage == "accept_order" for case in waiting)
        if asked and (not is_deal or self.chance.random() < 0.85):
            desk.approve(who, asked, "Fits the account plan." if is_deal else "Agreed with the customer.")
        elif asked:
            desk.refuse(who, asked, "Not on these terms; requote it.", for_good=True)

    def _give_up(self, cases: Sequence[Case], who: str, fix: Fix) -> None:
        """Asked for by one, agreed to by another at the next sitting."""
        ids = desk.close_without_fix(self.person(who), [case.id for case in cases], fix.note, fix.give_up).done
        self._known.update(ids)
        self.agenda.plan(sitting(clock.now() + dt.timedelta(minutes=10)), partial(self._agree, ids))

    def _agree(self, ids: Sequence[uuid.UUID]) -> None:
        asked = Approval.objects.filter(case__in=ids, state="requested").values_list("id", flat=True)
        if asked:
            desk.approve(self.person("carla"), list(asked), "Agreed.")
