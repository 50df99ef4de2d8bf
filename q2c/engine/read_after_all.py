"""Somebody wants after all what two people gave up while it could not be read: billing is asked for it once more.

Can it be read then, it is checked like any other, and a second person signs it, not the one who asked
(stages/given_up.py). Else its case says so, and it stays given up.
"""

from __future__ import annotations

from typing import Any

from exceptions import rights, timeline
from exceptions.errors import NotPossible
from exceptions.models import Case
from q2c import keys
from q2c.engine import callouts, unread
from q2c.engine.source import READS
from q2c.models import Connection
from q2c.reasons import Reason
from q2c.stages.given_up import AFTER_ALL
from q2c.stages.taken_back_there import CANCELLED, TAKEN_BACK

NOT_GIVEN_UP = "No invoice was given up with this case"
CAME_AGAIN = "It has come again since; decide about that"


def billing_of(case: Case) -> Connection:
    """The billing system that can be asked for it. Raises NotPossible."""
    is_raw = case.step_id is None and case.raw_hash is not None and case.state == "closed_without_fix"
    no_document = case.business_key in READS or case.reason in (Reason.EVENT_CONFLICT, Reason.SUBSCRIPTION_CUT_SHORT)
    if not is_raw or case.code == CANCELLED or no_document:
        raise NotPossible(NOT_GIVEN_UP)
    billing = Connection.objects.filter(name=case.source, active=True, service="billing").first()
    if billing is None:
        raise NotPossible(
            f"It came in unreadable, and {case.told_by} cannot be asked for it: have it sent again, so that it can be "
            "read; then a second person decides"
        )
    must_be_there(case, billing.name)
    if not unread.standing([case]):
        raise NotPossible(CAME_AGAIN)
    if _is_asked(case):
        raise NotPossible(f"{billing.name} is asked for it already")
    return billing


def must_be_there(case: Case, source: str) -> None:
    """Raises NotPossible where `source` has taken back what was given up with the case."""
    if case.events.filter(kind=TAKEN_BACK).exists():
        raise NotPossible(f"{source} has taken it back since; posted there again, it comes by itself")


def ask(user: Any, case: Case, said: str, token: str) -> None:
    """In the caller's transaction, which holds the case. The same `token` again is the same request."""
    mine = case.events.filter(kind=AFTER_ALL, data__token=token, data__person=user.pk)
    if token and mine.exists():
        return
    billing = billing_of(case)
    wish = f"{rights.called(user)} asks to have it read again and booked: {said}"
    callouts.call_out(billing, [case.called], keys.new_id())
    told = f"{billing.name} is asked for it again"
    entries: list[timeline.Entry] = [
        (case.id, AFTER_ALL, wish, {"person": user.pk, "token": token}), (case.id, callouts.ASKED, told, {}),
    ]  # fmt: skip
    timeline.record(entries, rights.name_of(user))


def _is_asked(case: Case) -> bool:
    last = case.events.filter(kind__in=(callouts.ASKED, callouts.READ)).order_by("-id").first()
    return last is not None and last.kind == callouts.ASKED
