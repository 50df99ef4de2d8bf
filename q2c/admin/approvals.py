"""Columns of the list of approvals: what each asks for, what it is about and what that is worth."""

from __future__ import annotations

from django.contrib import admin
from django.urls import reverse
from django.utils.html import format_html

from exceptions.models import Approval
from q2c.admin.amounts import said
from q2c.reading.approvals import subject_of, worth_of
from q2c.stages import STAGES

# Nouns of stages whose document is the order itself.
_OF_ORDERS = ("order", "cancellation")


@admin.display(description="Asked for", ordering="action")
def asked_for(approval: Approval) -> str:
    return approval.action.replace("_", " ").capitalize()


@admin.display(description="About")
def about(approval: Approval) -> str:
    """Order SO-1, case C-1200, Acme; INV-1, case C-1190, Acme; Receivables of JP, November 2026."""
    case, subject = approval.case, subject_of(approval)
    if case is None:
        return subject[:1].upper() + subject[1:]
    stage = STAGES.get(case.stage)
    named = f"Order {subject}" if stage is not None and stage.noun in _OF_ORDERS else subject
    linked = format_html('<a href="{}">case {}</a>', reverse("case", args=[case.pk]), case.shown)
    parts = format_html("{}, {}", named, linked) if subject != case.shown else linked
    return format_html("{}, {}", parts, case.customer) if case.customer else parts


@admin.display(description="Worth")
def worth(approval: Approval) -> str:
    return ", ".join(said(minor, currency) for minor, currency in worth_of(approval)) or "–"
