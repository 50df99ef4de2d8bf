"""What states, tones and nouns are called and look like on a page: tables, nothing else.

A tone is never shown by colour alone: each state has its word and its icon.
"""

from __future__ import annotations

from dataclasses import dataclass

from exceptions.tallies import CAUSE_GONE

# good: done. busy: moving. warn: a person should look. bad: stopped. quiet: nothing to say.
TONES = ("quiet", "busy", "good", "warn", "bad")


@dataclass(frozen=True)
class Look:
    """How one state is shown."""

    label: str
    tone: str
    icon: str


_COMMON = {
    "received": Look("Received", "quiet", "circle-dot"),
    "accepted": Look("Accepted", "good", "circle-check"),
    "rejected": Look("Rejected", "bad", "circle-x"),
    "awaiting_approval": Look("Awaiting approval", "warn", "user-check"),
    "provisioning": Look("Provisioning", "busy", "loader"),
    "provisioned": Look("Provisioned", "busy", "circle-dot"),
    "active": Look("Active", "good", "circle-play"),
    "suspended": Look("Suspended", "warn", "circle-pause"),
    "completed": Look("Completed", "good", "circle-check"),
    "cancelled": Look("Cancelled", "quiet", "ban"),
    "expired": Look("Expired", "quiet", "archive"),
    "waiting": Look("Waiting", "quiet", "hourglass"),
    "running": Look("Running", "busy", "loader"),
    "done": Look("Done", "good", "circle-check"),
    "unknown": Look("Outcome unknown", "warn", "circle-question-mark"),
    "failed": Look("Failed", "bad", "octagon-alert"),
    "held": Look("Held", "warn", "lock"),
    "abandoned": Look("Abandoned", "quiet", "circle-slash"),
    "issued": Look("Issued", "quiet", "circle-dot"),
    "recorded": Look("Recorded", "busy", "book-open"),
    "posting": Look("Posting", "busy", "send"),
    "posted": Look("Posted", "good", "circle-check"),
    "partly_paid": Look("Partly paid", "busy", "circle-dashed"),
    "paid": Look("Paid", "good", "circle-check"),
    "voided": Look("Voided", "quiet", "ban"),
    "credited": Look("Credited", "quiet", "undo-2"),
    "partly_applied": Look("Partly applied", "busy", "circle-dashed"),
    "applied": Look("Applied", "good", "circle-check"),
    "refunded": Look("Refunded", "quiet", "undo-2"),
    "planned": Look("Planned", "quiet", "calendar-clock"),
    "due": Look("Due", "warn", "clock"),
    "recognised": Look("Recognised", "good", "circle-check"),
    "drafted": Look("Drafted", "quiet", "circle-dashed"),
    "ready": Look("Ready", "busy", "shield-check"),
    "blocked": Look("Blocked", "bad", "octagon-alert"),
    "superseded": Look("Superseded", "quiet", "layers"),
    "reversed": Look("Reversed", "quiet", "undo-2"),
    "open": Look("Open", "bad", "circle-alert"),
    "in_progress": Look("In progress", "busy", "user-check"),
    "changed_since": Look("Changed since", "bad", "git-compare"),
    "replaying": Look("Replaying", "busy", "rotate-cw"),
    "resolved": Look("Resolved", "good", "circle-check"),
    "snoozed": Look("Snoozed", "quiet", "moon-star"),
    "reopened": Look("Reopened", "bad", "rotate-ccw"),
    "closed_without_fix": Look("Closed without fix", "quiet", "archive"),
    "closed": Look("Closed", "quiet", "lock"),
    "soft_closed": Look("Soft closed", "warn", "lock"),
    "up": Look("Up", "good", "plug"),
    "quiet": Look("Quiet", "quiet", "moon-star"),
    "unsteady": Look("Unsteady", "warn", "zap"),
    "unread": Look("Not read", "warn", "clock"),
    "down": Look("Down", "bad", "zap"),
    "paused": Look("Paused", "warn", "circle-pause"),
    "queued": Look("Queued", "quiet", "hourglass"),
    "sent": Look("Sent", "busy", "send"),
    "confirmed": Look("Confirmed", "good", "circle-check"),
    "verifying": Look("Being verified", "warn", "search"),
    "requested": Look("Requested", "warn", "user-check"),
    "approved": Look("Approved", "good", "circle-check"),
    "refused": Look("Refused", "bad", "circle-x"),
    "withdrawn": Look("Withdrawn", "quiet", "undo-2"),
    "dry_run": Look("Dry run", "quiet", "flask-conical"),
    "finished": Look("Finished", "good", "circle-check"),
    "stopped": Look("Stopped", "bad", "octagon-x"),
    "taken": Look("Taken", "good", "circle-check"),
    "dismissed": Look("Dismissed", "quiet", "bell-off"),
    "urgent": Look("Urgent", "bad", "octagon-alert"),
    "high": Look("High", "bad", "triangle-alert"),
    "normal": Look("Normal", "quiet", "minus"),
    "low": Look("Low", "quiet", "arrow-down"),
}

# Where one word means another thing for one noun.
_OF_NOUN = {
    ("step", "accepted"): Look("With the platform", "busy", "hourglass"),
    ("offer", "open"): Look("Offered", "busy", "info"),
    ("batch", "unknown_after"): Look("Outcome unknown, being verified", "warn", "circle-question-mark"),
    ("batch", "goes_on"): Look("Under way", "busy", "loader"),
    ("batch", "stopped_after"): Look("Stopped further on", "bad", "octagon-alert"),
    ("batch", "held_after"): Look("Held further on", "quiet", "hourglass"),
    ("batch", "partly_failed"): Look("Some failed", "bad", "octagon-alert"),
    ("replay", "unknown_after"): Look("Outcome unknown, being verified", "warn", "circle-question-mark"),
    ("replay", "goes_on"): Look("Under way", "busy", "loader"),
    ("replay", "stopped_after"): Look("Stopped further on", "bad", "octagon-alert"),
    ("replay", "held_after"): Look("Held further on", "quiet", "hourglass"),
    ("replay", "failed_again"): Look("Failed again", "bad", "octagon-alert"),
    ("replay", "partly_failed"): Look("Some failed", "bad", "octagon-alert"),
    ("period", "open"): Look("Open", "good", "circle-dot"),
    ("period", "closed"): Look("Closed", "bad", "lock"),
    ("period", "reopened"): Look("Reopened", "warn", "rotate-ccw"),
}


# Model names that pages call by their business noun.
_NOUNS = {"fiscalperiod": "period", "journalentry": "journal", "revenueschedule": "revenue", "replaybatch": "batch"}


def look(state: str, noun: str = "") -> Look:
    """How a state is shown; a state nobody named yet is shown by its own words. `noun` may be a model's name."""
    noun = _NOUNS.get(noun, noun)
    found = _OF_NOUN.get((noun, state)) or _COMMON.get(state)
    return found or Look(plain(state), "quiet", "circle")


# Keys that alone would say too little.
_SAID = {CAUSE_GONE: "cause is gone, ready to replay"}


def plain(name: str) -> str:
    """cost_center → "Cost centre": a key as a person would read it."""
    text = _SAID.get(name) or spoken(name).replace(".", " ").strip()
    return text[:1].upper() + text[1:]


def spoken(name: str) -> str:
    """cost_center → "cost centre", within a sentence. Keys are spelled as the platforms spell them, pages are not."""
    return str(name).replace("cost_center", "cost centre").replace("_", " ")


# The main road of each noun, and where each side state leaves it.
ROADS: dict[str, tuple[str, ...]] = {
    "order": ("received", "accepted", "provisioning", "active", "completed"),
    "subscription": ("provisioned", "active", "expired"),
    "invoice": ("issued", "recorded", "posted", "partly_paid", "paid"),
    "payment": ("received", "partly_applied", "applied"),
    "revenue": ("planned", "due", "recognised"),
    "journal": ("drafted", "ready", "posting", "posted"),
    "step": ("waiting", "running", "done"),
    "case": ("open", "in_progress", "replaying", "resolved"),
    "replay": ("queued", "sent", "confirmed"),
}
# From these none comes back to it.
LEFT_FOR_GOOD = ("abandoned", "cancelled", "credited", "refunded", "rejected", "reversed", "superseded", "voided")
SIDES: dict[tuple[str, str], str] = {
    ("order", "awaiting_approval"): "received",
    ("order", "rejected"): "received",
    ("order", "cancelled"): "accepted",
    ("subscription", "suspended"): "active",
    ("subscription", "cancelled"): "active",
    ("invoice", "voided"): "issued",
    ("invoice", "credited"): "posted",
    ("payment", "refunded"): "applied",
    ("revenue", "cancelled"): "planned",
    ("journal", "blocked"): "posting",
    ("journal", "superseded"): "posting",
    ("journal", "reversed"): "posted",
    ("step", "held"): "waiting",
    ("step", "accepted"): "running",
    ("step", "unknown"): "running",
    ("step", "failed"): "running",
    ("step", "abandoned"): "running",
    ("case", "awaiting_approval"): "in_progress",
    ("case", "snoozed"): "open",
    ("case", "reopened"): "resolved",
    ("case", "closed_without_fix"): "in_progress",
    ("replay", "verifying"): "sent",
    ("replay", "unknown"): "sent",
    ("replay", "failed"): "sent",
}
