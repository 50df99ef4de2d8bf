"""What billing has otherwise by now of an invoice whose journal is not posted yet: whoever sends it reads that.

It stops nothing: the journal is posted as it is booked, and what billing has otherwise is a difference with a case of
its own.
"""

from __future__ import annotations

import uuid
from collections.abc import Mapping, Sequence

from exceptions.models import Case
from exceptions.models.case import UNRESOLVED, called
from ledger.models import JournalEntry
from q2c.models import Invoice, Step
from q2c.money import Money
from q2c.reasons import Reason
from q2c.stages import in_billing
from q2c.stages.in_billing import Now
from q2c.stages.not_theirs import FORBIDDEN
from q2c.stages.taken_back_there import CANCELLED

_POSTED = ("posted", "reversed")


def of_entries(entries: Mapping[uuid.UUID, JournalEntry]) -> dict[uuid.UUID, str]:
    """By the same keys, a sentence of each that billing has otherwise; none of what is posted, and none of a mirror
    entry, which takes out what was booked, whatever billing has. Six statements at most."""
    unposted = (entry for entry in entries.values() if not entry.reverses_id and entry.state not in _POSTED)
    events = {entry.event_id for entry in unposted}
    recorded = Invoice.objects.filter(event__in=events).exclude(state__in=("voided", "credited")) if events else ()
    invoices = {one.id: one for one in recorded}
    newest = in_billing.newest(list(invoices.values()))
    ids = [now.step_id for now in newest.values()]
    steps = Step.objects.filter(id__in=ids).only("reason", "text").in_bulk() if ids else {}
    cases = {case.step_id: case for case in Case.objects.filter(step_id__in=ids).defer("haystack")} if ids else {}
    said = {
        invoices[id_].event_id: (_told(invoices[id_], now, steps[now.step_id]), _whose(cases.get(now.step_id)))
        for id_, now in newest.items()
    }
    said |= _unread([one for one in invoices.values() if one.id not in newest])
    return {
        key: f"{told}. Sent, its journal is posted as it is booked, at {Money(entry.worth_minor, entry.currency)}, "
        f"dated {entry.effective_on}{whose}"
        for key, entry in entries.items()
        if entry.event_id in said
        for told, whose in [said[entry.event_id]]
    }


def _unread(invoices: Sequence[Invoice]) -> dict[uuid.UUID, tuple[str, str]]:
    """By event id, of those that came once more and could not be read, while somebody works on that."""
    names = {name for one in invoices for name in (one.billing_reference, one.number)}
    came = Case.objects.filter(called(names), state__in=UNRESOLVED, context__type="InvoiceIssued") if names else ()
    found: dict[uuid.UUID, tuple[str, str]] = {}
    for case in came:
        for one in invoices:
            own = (case.told_by, case.called) == (one.source, one.billing_reference)
            others = (case.entity, case.business_key) == (one.entity, one.number) and case.code != FORBIDDEN
            if (own or others) and case.code != CANCELLED:
                told = f"{case.told_by} has another version of {one.number}, which cannot be read"
                found[one.event_id] = (told, _whose(case))
    return found


def _told(one: Invoice, now: Now, came: Step) -> str:
    """What came stopped with a sentence that tells from what to what, unless it stopped for a reason of its own."""
    if came.reason == Reason.INVOICE_CHANGED:
        return came.text.rstrip(".")
    return f"{now.source} has {one.number} at {now.worth}, dated {now.issued_on}"


def _whose(case: Case | None) -> str:
    if case is None:
        return ""
    return f"; {case.shown} {'is open about that' if case.state in UNRESOLVED else 'told of that, and has ended'}"
