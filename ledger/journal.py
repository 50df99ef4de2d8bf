"""The journal, as everybody else reaches it. Batch first; whatever writes runs in the caller's transaction."""

from ledger.booking import Result, post_ready
from ledger.corrections import (
    Difference,
    Rederived,
    differences,
    late_mirrors,
    rederive,
    reverse,
    reversible,
    supersede,
)
from ledger.dry_run import Check, Preview, preview
from ledger.moving import Document, mark_blocked, mark_posted, mark_posting
from ledger.reading import EntryView, ViewLine, in_functional, read, taken_back

__all__ = [
    "Check",
    "Difference",
    "Document",
    "EntryView",
    "Preview",
    "Rederived",
    "Result",
    "ViewLine",
    "differences",
    "in_functional",
    "late_mirrors",
    "mark_blocked",
    "mark_posted",
    "mark_posting",
    "post_ready",
    "preview",
    "read",
    "rederive",
    "reverse",
    "reversible",
    "supersede",
    "taken_back",
]
