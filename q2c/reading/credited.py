"""A credit beyond what was billed: what of its order waits to be booked itself, and what there is to do."""

from __future__ import annotations

from exceptions.models import Case
from exceptions.sentences import listed
from q2c.models import Order, Step
from q2c.models.step import OPEN
from q2c.stages.days_billed import CREDITED

# So many are named.
MOST = 5


def is_one(case: Case) -> bool:
    return case.blocker_type == CREDITED


def waiting(case: Case) -> list[Step]:
    """Invoices of the same order that ask for something and are not recorded, the oldest first."""
    order = Order.objects.filter(number=case.blocker_key).only("correlation_id").first()
    if order is None:
        return []
    mine = Step.objects.filter(stage="record_invoice", state__in=OPEN, event__correlation_id=order.correlation_id)
    return list(mine.filter(amount_minor__gt=0).exclude(event=case.event_id).order_by("seq")[:MOST])


def what_to_do(case: Case) -> str:
    """In a finance person's words; empty of any other case."""
    if not is_one(case):
        return ""
    if numbers := list(dict.fromkeys(step.business_key for step in waiting(case))):
        waits = f"{listed(numbers)} {'waits' if len(numbers) == 1 else 'wait'}"
        return (
            f"Of the same order {waits} to be booked. Is that what it credits, solve the case of that invoice first: "
            "once it is booked, this one is offered for replay. Else have billing correct the credit, or void it."
        )
    return (
        f"No other invoice of order {case.blocker_key} waits to be booked, so the credit is too large: have billing "
        "correct it, or void it. What billing corrects arrives by itself and ends this case."
    )
