"""What a dry run found, as plain JSON: kept on the items of a replay, shown on pages, answered by the API."""

from __future__ import annotations

from typing import Any

import msgspec

from ledger.journal import EntryView, Preview
from q2c.engine.replay import DryRun
from q2c.reasons import APPROVALS


def shown(run: DryRun) -> dict[str, Any]:
    """{passes, sure, silent, findings, beside, checks: [{name, ok, text}], journal or None, other}: minor units, ISO
    dates.

    Not `sure` is what a platform that was asked did not answer to: `silent` names it.
    """
    entry, checks = _entry(run.preview)
    rest = {name: value for name, value in run.preview.items() if name not in ("entry", "journal")}
    if not run.would_pass:
        rest.pop("would", None)
    return {
        "stage": run.stage,
        "passes": run.would_pass,
        "sure": run.platform != "silent",
        "silent": run.asked if run.platform == "silent" else "",
        "findings": run.findings,
        # Nothing is wrong with it: a second person is asked.
        "asks": bool(run.findings) and all(finding["reason"] in APPROVALS for finding in run.findings),
        "beside": run.beside,
        "checks": [*checks, *_platform(run)],
        "journal": journal(entry) if entry is not None else None,
        "other": msgspec.to_builtins(rest, enc_hook=str),
    }


def text(run: DryRun) -> str:
    """What would go wrong, in one line; empty where nothing would."""
    return "; ".join(str(finding["text"]) for finding in run.findings)


def _entry(preview: dict[str, Any]) -> tuple[EntryView | None, list[dict[str, Any]]]:
    if isinstance(seen := preview.get("journal"), Preview):
        return seen.entry, [{"name": check.name, "ok": check.ok, "text": check.text} for check in seen.checks]
    entry = preview.get("entry")
    return (entry if isinstance(entry, EntryView) else None), []


def _platform(run: DryRun) -> list[dict[str, Any]]:
    """What the platform said, as a check; `ok` is None where it did not answer."""
    if not run.platform:
        return []
    said = {
        # Of what is stopped here they were asked all the same: that they would take it does not send it.
        "ready": f"{run.asked} would take this as it stands"
        if run.would_pass
        else f"{run.asked} would not refuse it; what stops it is above",
        "there": f"{run.asked} holds it already as {run.platform_text}: nothing would be sent",
        "refuses": run.platform_text,
    }
    ok = {"ready": True, "there": True, "refuses": False}.get(run.platform)
    return [
        {
            "name": "platform",
            "ok": ok,
            "text": said.get(run.platform, f"{run.asked} did not answer: {run.platform_text}"),
        }
    ]


def journal(entry: EntryView) -> dict[str, Any]:
    """A journal as debits and credits."""
    return {
        "number": entry.number,
        "state": entry.state,
        "entity": entry.entity,
        "period": entry.period,
        "effective_on": entry.effective_on.isoformat(),
        "currency": entry.currency,
        "document": entry.document_number,
        "lines": [
            {
                "account": line.account, "name": line.account_name, "debit_minor": line.debit_minor,
                "credit_minor": line.credit_minor, "dimensions": line.dimensions, "text": line.memo, "rule": line.rule,
            }
            for line in entry.lines
        ],
    }  # fmt: skip
