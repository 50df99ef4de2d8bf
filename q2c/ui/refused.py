"""What a case says after a second person's no: who said it, why, and what can be done then."""

from __future__ import annotations

from typing import NamedTuple

from exceptions.models import Approval, Case
from exceptions.models.case import TO_DO
from q2c.reading.approvals import kind_of

# By what was asked about: a person's own wish about a case leaves that to the policy of its cause.
_NEXT = {
    "order": "Have the deal changed: its new version takes the place of this one. Sent again as it is, it asks for "
    "approval again. Closed without a fix, the order is rejected.",
    "invoice": "Have the invoice corrected in billing: its new version takes the place of this one. Voided there, it "
    "ends by itself. Replayed as it is, it asks for approval again. Closed without a fix, it is not booked, and is "
    "listed as given up until it is voided in billing.",
    "given_up": "It stays given up: nothing of it is booked, and it is listed so until it is voided in billing.",
    "cancelled": "Nothing of it is booked: billing has cancelled it. Posted there again, it is booked as billing tells "
    "it.",
    "cancellation": "The order goes on. Is it to end all the same, its cancellation is asked for anew on its page.",
    "reversal": "The journal stays as it is. Is it to be reversed all the same, that is asked for anew on its page.",
}
_TITLES = {
    "closing": "Closing it was refused",
    "redate": "Another date was refused",
    "after_all": "Posting it after all was refused",
}


class Refused(NamedTuple):
    """`next` is empty where what is left to do is what the policy of the case's cause says."""

    approval: Approval
    title: str
    next: str


def of(found: Case) -> Refused | None:
    """The last word of a second person, where that was no and the case still waits for somebody."""
    if found.state not in (*TO_DO, "snoozed"):
        return None
    last = found.approvals.exclude(state="withdrawn").select_related("decided_by").order_by("-requested_at").first()
    if last is None or last.state != "refused":
        return None
    kind = kind_of(last.action)
    # Stopped by something else since: that comes first.
    is_the_cause = last.action == found.reason
    return Refused(last, _TITLES.get(kind, "Refused"), _NEXT.get(kind, "") if is_the_cause else "")
