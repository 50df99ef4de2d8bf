"""A journal as the sandbox of an ERP holds it, beside what our books sent."""

from __future__ import annotations

import datetime as dt
from decimal import Decimal
from typing import Any

from django.conf import settings
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import render
from django.views.decorators.http import require_safe

from ledger import journal
from ledger.journal import EntryView
from ledger.models import JournalEntry
from q2c.connectors.sandbox_kit.switches import Silent, Switches, SwitchRefused
from q2c.money import Money
from q2c.ui import formats, links
from q2c.ui.parts import Crumb, facts
from q2c.ui.rights import right
from q2c.ui.sandbox import there


@right("ledger.view_journalentry")
@there
@require_safe
def one(request: HttpRequest, vendor: str, key: str) -> HttpResponse:
    """By its id there, its number or our key."""
    if vendor != "netsuite":
        raise Http404(f"The sandbox of {vendor} holds no journals.")
    try:
        held = Switches(settings.SANDBOX_URL, vendor).act("document", {"key": key})
    except SwitchRefused as refused:
        if "no journal" not in str(refused):
            raise Silent(str(refused)) from None
        raise Http404(f"The sandbox holds no journal {key} (any more).") from None
    ours = JournalEntry.objects.visible_to(request.user).filter(key=held["external_id"] or "").first()
    view = journal.read([ours.id])[0] if ours is not None else None
    own = held["own_currency"] if held["own_currency"] != held["currency"] else ""
    context = {
        "held": held,
        "own": own,
        "rows": [_row(line, held, view) for line in held["lines"]],
        "sums": _sums(held),
        "ours": ours,
        "ours_href": links.to("journal", ours.id) if ours is not None else "",
        "facts": _facts(held),
        "crumbs": [Crumb("Journals", links.to("journals")), Crumb(f"{held['number']} in the NetSuite sandbox")],
    }
    return render(request, "sandbox/document.html", context)


def _facts(held: dict[str, Any]) -> list[tuple[str, Any]]:
    return facts(
        ("Date", formats.when(dt.date.fromisoformat(held["date"]))),
        ("Posting period", held["period"]),
        ("Subsidiary", held["subsidiary"]),
        ("Currency", held["currency"]),
        (f"Rate to {held['own_currency']}", formats.rate(Decimal(held["rate"]))),
        ("Status", "Approved, posted" if held["posting"] == "T" else "Waits for approval there"),
        ("Transaction number", held["transaction_number"]),
        ("External id", held["external_id"]),
        ("Internal id", str(held["id"])),
        ("Memo", held["memo"]),
    )


def _row(line: dict[str, Any], held: dict[str, Any], view: EntryView | None) -> dict[str, Any]:
    """A line with both amounts as (debit, credit), and how ours of the same number compares."""
    amount, own = _minor(line["amount"], held["currency"]), _minor(line["own_amount"], held["own_currency"])
    mine = next((one for one in view.lines if one.line == line["line"]), None) if view is not None else None
    same = None if mine is None else (mine.account, mine.amount_minor, mine.functional_minor) == (
        line["account"], amount, own,
    )  # fmt: skip
    segments = [("Department", line["department"]), ("Class", line["class"]), ("Location", line["location"])]
    return {
        "line": line, "sides": (max(amount, 0), max(-amount, 0)), "own": (max(own, 0), max(-own, 0)), "same": same,
        "segments": [(name, value) for name, value in segments if value], "mine": mine,
    }  # fmt: skip


def _sums(held: dict[str, Any]) -> dict[str, int]:
    amounts = [_minor(line["amount"], held["currency"]) for line in held["lines"]]
    own = [_minor(line["own_amount"], held["own_currency"]) for line in held["lines"]]
    return {
        "debit": sum(a for a in amounts if a > 0), "credit": -sum(a for a in amounts if a < 0),
        "own_debit": sum(a for a in own if a > 0), "own_credit": -sum(a for a in own if a < 0),
    }  # fmt: skip


def _minor(text: str, currency: str) -> int:
    return Money.of(Decimal(text), currency).minor
