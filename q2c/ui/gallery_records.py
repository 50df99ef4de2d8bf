"""Records for the gallery: made up, but as they look on a Monday."""

from __future__ import annotations

import datetime as dt
from types import SimpleNamespace
from typing import Any

from q2c import clock
from q2c.money import Money
from q2c.ui import words
from q2c.ui.maps import Box
from q2c.ui.parts import (
    Change,
    Check,
    Chip,
    Entry,
    JournalLine,
    JournalPreview,
    Point,
    Progress,
    Stage,
    Tab,
    facts,
)

_KEYS = {
    "reason:": ("period_closed", "dimension_inactive", "item_mapping_missing", "outcome_unknown"),
    "entity:": ("US", "DE", "UK", "JP"),
    "is:": ("open", "unassigned", "late"),
}


def completions(token: str) -> list[dict[str, str]]:
    """What the query bar offers for the word under the cursor."""
    key, colon, begun = token.partition(":")
    if colon:
        values = _KEYS.get(f"{key}:", ())
        return [{"value": f"{key}:{v}", "label": words.plain(v)} for v in values if v.startswith(begun)]
    return [{"value": k, "label": "key"} for k in _KEYS if k.startswith(key)]


def _ago(**span: float) -> dt.datetime:
    return clock.now() - dt.timedelta(**span)


def _cases() -> list[dict[str, Any]]:
    rows = (
        (
            "urgent",
            "open",
            "period_closed",
            "INV-2026-00418",
            "Hansa Logistik GmbH",
            Money(12_499_000, "EUR"),
            -2,
            "",
            3,
        ),
        (
            "high",
            "in_progress",
            "dimension_inactive",
            "INV-2026-00402",
            "Northwind Analytics Inc.",
            Money(4_820_050, "USD"),
            3,
            "Mia Ochoa",
            1,
        ),
        (
            "high",
            "reopened",
            "outcome_unknown",
            "JRN-DE-26-00981",
            "Bäckerei Jung & Söhne",
            Money(-118_905, "EUR"),
            9,
            "Ken Adachi",
            5,
        ),
        (
            "normal",
            "open",
            "item_mapping_missing",
            "ORD-88213",
            "株式会社サクラ商事",
            Money(3_400_000, "JPY"),
            26,
            "",
            1,
        ),
        (
            "normal",
            "snoozed",
            "tax_nexus_missing",
            "ORD-88240",
            "Gulf Cold Chain W.L.L.",
            Money(1_250_750, "KWD"),
            60,
            "Mia Ochoa",
            2,
        ),
        (
            "low",
            "replaying",
            "platform_busy",
            "INV-2026-00377",
            "Ravenscroft & Daughters Ltd",
            Money(99_900, "GBP"),
            70,
            "Ken Adachi",
            4,
        ),
    )
    return [
        {
            "id": f"c{i}",
            "severity": severity,
            "state": state,
            "reason": reason,
            "key": key,
            "customer": customer,
            "amount": amount,
            "period": "2026-10" if i < 3 else "2026-11",
            "opened": _ago(hours=3 + i * 17),
            "due": clock.now() + dt.timedelta(hours=due),
            "owner": owner,
            "attempts": attempts,
        }
        for i, (severity, state, reason, key, customer, amount, due, owner, attempts) in enumerate(rows)
    ]


def _stages() -> list[Stage]:
    return [
        Stage(
            "Orders",
            (("done", 291), ("running", 3), ("failed", 4), ("waiting", 2)),
            [Money(48_210_000, "USD"), Money(9_100_000, "EUR")],
            _ago(hours=52),
            "#",
            (3, 5, 4, 8, 6, 9, 12, 7, 8),
        ),
        Stage(
            "Billing",
            (("done", 1_871), ("accepted", 12), ("failed", 1)),
            [Money(120_400, "GBP")],
            _ago(minutes=14),
            "#",
            (9, 9, 8, 12, 10, 9, 10, 11, 9),
        ),
        Stage(
            "Invoices",
            (("done", 2_013), ("running", 40)),
            [Money(2_310_000_000, "USD"), Money(412_000_000, "EUR"), Money(98_000_000, "JPY")],
            _ago(minutes=2),
            "#",
            (1, 2, 2, 3, 3, 5, 8, 9, 14),
        ),
        Stage(
            "Journals",
            (("done", 1_962), ("unknown", 2), ("failed", 31), ("held", 3)),
            [Money(61_724_900, "EUR"), Money(4_820_050, "USD")],
            _ago(days=6, hours=4),
            "#",
            (0, 0, 1, 0, 4, 9, 31, 31, 31),
        ),
        Stage("Cash", (), (), None, "#", (), "step", "Nothing came in today"),
    ]


def _journal(changed: bool = False) -> JournalPreview:
    centre = {"cost_center": "CC-410", "department": "EMEA"}
    return JournalPreview(
        currency="EUR",
        entity="DE",
        period="2026-11" if changed else "2026-10",
        effective=dt.date(2026, 11, 2) if changed else dt.date(2026, 10, 31),
        number="DE-26-INV-000981",
        lines=[
            JournalLine("1200", "Trade receivables", debit_minor=12_499_000, text="INV-2026-00418 Hansa Logistik GmbH"),
            JournalLine(
                "2400", "Deferred revenue", credit_minor=10_200_000, dimensions=centre, rule="12 v3", changed=changed
            ),
            JournalLine("4100", "Implementation revenue", credit_minor=303_361, dimensions=centre, rule="7 v1"),
            JournalLine("1776", "Value added tax 19 %", credit_minor=1_995_639, rule="2 v5"),
        ],
    )


def _timeline() -> list[Entry]:
    body = {
        "code": "PERIOD_CLOSED",
        "message": "The accounting period is closed",
        "o:errorDetails": [{"detail": "Oct 2026"}],
    }
    return [
        Entry(
            _ago(minutes=4),
            "Replay asked for",
            "Mia Ochoa",
            "The period is open again; 31 journals wait with it.",
            "busy",
            "rotate-cw",
        ),
        Entry(
            _ago(minutes=9),
            "Period opened in NetSuite",
            "drift check",
            "DE Oct 2026 went from closed to open.",
            "good",
            "circle-check",
            "#",
            "31 cases it unblocks",
        ),
        Entry(
            _ago(hours=3),
            "Refused by NetSuite",
            "post_journal",
            "Period Oct 2026 is closed.",
            "bad",
            "octagon-alert",
            payload=body,
        ),
        Entry(
            _ago(hours=3, minutes=1),
            "Searched before sending",
            "post_journal",
            "By external id Q2C7F3K…: none found.",
            "quiet",
            "search",
            detail="SELECT id, tranid FROM transaction WHERE externalid = 'Q2C7F3KX2M4P'",
        ),
        Entry(
            _ago(days=1, hours=2),
            "Invoice recorded",
            "record_invoice",
            "Ties to order ORD-88190, entity and tax.",
            "quiet",
            "receipt",
        ),
    ]


def _payload() -> dict[str, Any]:
    line = {
        "product": "PLATFORM-ENT",
        "kind": "recurring",
        "quantity": "250",
        "amount_minor": 10_200_000,
        "phases": [{"from": "2026-11-01", "to": "2027-10-31", "active": True}],
        "discount": None,
    }
    return {
        "specversion": "1.0",
        "type": "InvoiceIssued",
        "source": "zuora",
        "id": "8a1e4c2f",
        "data": {
            "number": "INV-2026-00418",
            "currency": "EUR",
            "total_minor": 12_499_000,
            "lines": [line, {**line, "product": "IMPL-FIX", "kind": "one_time"}],
        },
    }


def _map() -> list[Box]:
    return [
        Box("accept_order", "accept_order", (), "OrderReceived", "#", 4, "bad"),
        Box("sync_customer", "sync_customer", ("accept_order",), "OrderAccepted", "#"),
        Box("write_back", "write_back", ("accept_order",), "OrderAccepted", "#"),
        Box("provision_billing", "provision_billing", ("sync_customer",), "CustomerSynced", "#", 12, "busy"),
        Box("activate_subscription", "activate_subscription", ("provision_billing",), "activation date", "#"),
        Box("record_invoice", "record_invoice", ("activate_subscription",), "InvoiceIssued", "#"),
        Box("post_invoice", "post_invoice", ("activate_subscription",), "InvoiceIssued, document mode", "#"),
        Box("post_journal", "post_journal", ("record_invoice", "recognise"), "JournalReady", "#", 31, "bad"),
        Box("recognise", "recognise_revenue", ("record_invoice",), "RevenueDue", "#"),
    ]


def everything() -> dict[str, Any]:
    """The gallery's context."""
    days = [Point(f"{i + 1} Nov", 18 + (i * 37) % 23, also=(i * 13) % 9) for i in range(24)]
    reasons = (
        ("period_closed", 31, "bad"),
        ("dimension_inactive", 12, "warn"),
        ("item_mapping_missing", 4, "accent"),
        ("outcome_unknown", 2, "accent"),
    )
    return {
        "now": clock.now(),
        "tones": words.TONES,
        "all_states": [
            "received",
            "accepted",
            "awaiting_approval",
            "provisioning",
            "waiting",
            "running",
            "unknown",
            "failed",
            "held",
            "posting",
            "posted",
            "blocked",
            "partly_paid",
            "paid",
            "reversed",
            "snoozed",
            "resolved",
            "reopened",
        ],
        "sums": [
            Money(1_234_567_89, "EUR"),
            Money(-5_005, "USD"),
            Money(98_000_000, "JPY"),
            Money(1_250_750, "KWD"),
            Money(1, "GBP"),
        ],
        "cases": _cases(),
        "page": SimpleNamespace(next="c5", previous="", total=1_204),
        "tabs": [
            Tab("Open", "?", 49, True),
            Tab("For my team", "?t=team", 31),
            Tab("Mine", "?t=mine", 2),
            Tab("Snoozed", "?t=snoozed", 1),
            Tab("Replaying", "?t=replaying", 0),
            Tab("Resolved", "?t=resolved", 1_877),
        ],
        "filters": [Chip("reason", "period_closed", "?"), Chip("entity", "DE", "?"), Chip("amount", ">10,000", "?")],
        "facts": facts(
            ("Customer", "Hansa Logistik GmbH"),
            ("Entity", "DE Germany GmbH"),
            ("Period", "Oct 2026"),
            ("Business key", "INV-2026-00418"),
            ("Source → target", "Zuora → NetSuite"),
            ("Owner", "Finance systems"),
        ),
        "timeline": _timeline(),
        "changes": [
            Change("cost_center", "CC-410", "CC-411"),
            Change("effective_on", "31 Oct 2026", "2 Nov 2026"),
            Change("memo", None, "Re-dated by approval 88"),
            Change("department", "EMEA", None),
        ],
        "journal": _journal(),
        "redated": _journal(changed=True),
        "document": _payload(),
        "stages": _stages(),
        "map": _map(),
        "days": days,
        "reasons": [Point(words.plain(name), count, tone=tone, href="#") for name, count, tone in reasons],
        "roads": [
            ("order", "provisioning"),
            ("invoice", "paid"),
            ("journal", "blocked"),
            ("order", "rejected"),
            ("case", "replaying"),
            ("replay", "verifying"),
        ],
        "work": Progress("Replay of 1,204 journals", 1_204, 812, 3, 1, "sent", note="about 40 s left", cancel_url="#"),
        "work_done": Progress("Replay of 31 journals", 31, 31, state="confirmed"),
        "checks": [
            Check("Period DE 2026-10 is open", True),
            Check("Debits equal credits", True, "124,990.00 EUR"),
            Check("Cost centre CC-410 is active in NetSuite", False, "inactive since 1 Nov 2026"),
        ],
        "late": _ago(hours=2),
        "soon": clock.now() + dt.timedelta(hours=2),
        "later": clock.now() + dt.timedelta(days=3),
    }
