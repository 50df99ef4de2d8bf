"""Where an invoice belongs that billing gives and that cannot be read: as far as it is known, and nothing made up."""

from __future__ import annotations

from typing import Any

from q2c.connectors.outcomes import About, Rejected
from q2c.models import Step
from q2c.stages.taken_back_there import booked_as, period_of, period_on


def known_of(source: str, reference: str, refused: Rejected) -> dict[str, Any]:
    """{entity, period, amount_minor, currency, customer}: of the invoice as it is booked, else as it could be read,
    else of an earlier version. What is not known is empty. Three statements at most."""
    about = refused.about or About()
    known: dict[str, Any] = {
        "entity": about.entity, "period": "", "amount_minor": about.amount_minor, "currency": about.currency,
    }  # fmt: skip
    booked = booked_as(source, reference)
    if booked is not None:
        return {**known, "entity": booked.entity, "period": period_of(booked), "customer": booked.customer_name}
    if about.issued_on is not None:
        return {**known, "period": period_on(about.entity, about.issued_on)}
    came = Step.objects.filter(stage="record_invoice", event__source=source)
    earlier = came.filter(event__source_id__startswith=f"{reference}:").order_by("-seq").first()
    if earlier is not None:
        known |= {"entity": earlier.entity, "period": earlier.period, "customer": earlier.customer}
    return known
