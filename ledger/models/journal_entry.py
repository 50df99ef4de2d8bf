"""A journal entry: balanced in three amounts, numbered, frozen once it is ready."""

from __future__ import annotations

from django.db import models
from django.db.models import JSONField, Value
from django_fsm import ConcurrentTransitionMixin, transition

from ledger.models.account import Account
from ledger.models.entity import LegalEntity
from ledger.models.period import SUBLEDGERS, FiscalPeriod
from ledger.models.posting_rule import PostingRuleLine
from ledger.models.series import JOURNALS
from q2c.states import StateField, StateRecord
from q2c.visible import VisibleQuerySet

# What may still change on an entry, of a draft its number with its state, too; the database freezes everything else.
MUTABLE = ("state", "document_number", "posted_reference", "posted_at", "superseded_by_id")


class JournalEntry(ConcurrentTransitionMixin, StateRecord):
    """One event in the books of one entity, made by one rule set.

    `generation` counts derivations of the same (entity, event, rule set), and what has the same key: the next one is
    refused until the one before is superseded, so at most one is alive, for ever. `key` (entry_keys.py) finds the entry
    in the ERP. `total_minor` is the sum of the debits; `worth_minor` is what its document comes to, of a credit less
    than nothing. `matched` is what its rules matched on (matched.py). `number` is given as the entry becomes ready and
    never again.
    """

    # Entity and period are checked for a whole batch as it becomes ready, not row by row.
    entity = models.ForeignKey(
        LegalEntity, on_delete=models.PROTECT, related_name="entries", db_index=False, db_constraint=False
    )
    journal = models.CharField(max_length=12, choices=[(code, about) for code, (_, about) in JOURNALS.items()])
    fiscal_year = models.PositiveSmallIntegerField()
    number = models.CharField(max_length=16, null=True)
    state = StateField(default="drafted")
    event_id = models.UUIDField()
    event_type = models.CharField(max_length=40)
    rule_set = models.CharField(max_length=20, default="primary")
    generation = models.PositiveSmallIntegerField(default=1)
    rules_used = models.TextField(blank=True, help_text="Rules and versions, one per line")
    # Empty of mirror entries, and of what was booked before it was kept.
    matched = models.JSONField(blank=True, default=list, db_default=Value([], JSONField()), editable=False)
    effective_on = models.DateField()
    booked_at = models.DateTimeField()
    period = models.ForeignKey(
        FiscalPeriod, on_delete=models.PROTECT, related_name="entries", db_index=False, db_constraint=False
    )
    subledger = models.CharField(max_length=12, choices=[(s, s) for s in SUBLEDGERS])
    currency = models.CharField(max_length=3)
    functional_currency = models.CharField(max_length=3)
    group_currency = models.CharField(max_length=3)
    functional_rate = models.DecimalField(max_digits=18, decimal_places=9, default=1)
    group_rate = models.DecimalField(max_digits=18, decimal_places=9, default=1)
    customer = models.CharField(max_length=64, blank=True)
    memo = models.CharField(max_length=400, blank=True)
    business_document = models.CharField(max_length=100, blank=True, help_text="invoice:INV-001")
    key = models.CharField(max_length=20)
    line_count = models.PositiveIntegerField()
    total_minor = models.BigIntegerField()
    worth_minor = models.BigIntegerField(default=0, db_default=0)
    reverses = models.ForeignKey(
        "self", on_delete=models.PROTECT, null=True, blank=True, related_name="mirrors", db_index=False
    )
    superseded_by = models.ForeignKey(
        "self", on_delete=models.PROTECT, null=True, blank=True, related_name="supersedes", db_index=False
    )
    document_number = models.CharField(max_length=64, blank=True, help_text="What the ERP calls it")
    posted_reference = models.CharField(max_length=200, blank=True, help_text="The ERP's own id of it")
    posted_at = models.DateTimeField(null=True, blank=True)

    objects = VisibleQuerySet.as_manager()

    class Meta:
        verbose_name_plural = "journal entries"
        permissions = [
            ("reverse_journalentry", "Can reverse journal entries"),
            ("redate_journalentry", "Can ask that late journal entries be booked in an open period"),
        ]
        constraints = [
            models.UniqueConstraint(
                fields=["event_id", "entity", "rule_set", "generation"], name="one_entry_per_event_and_rule_set"
            ),
            # Said here and not on the columns, which would add a second index each for LIKE.
            models.UniqueConstraint(fields=["number"], name="one_entry_per_number"),
            models.UniqueConstraint(fields=["key", "generation"], name="one_entry_per_key"),
            models.CheckConstraint(
                condition=models.Q(state="drafted", number__isnull=True)
                | (~models.Q(state="drafted") & models.Q(number__isnull=False)),
                name="entry_numbered_when_ready",
            ),
            models.CheckConstraint(condition=models.Q(journal__in=list(JOURNALS)), name="entry_journal"),
            models.CheckConstraint(
                condition=models.Q(reverses=None) | ~models.Q(reverses=models.F("id")), name="entry_reverses_another"
            ),
        ]
        indexes = [
            # The newest come by id, which is ordered by time.
            models.Index(fields=["business_document"], name="entry_document"),
            models.Index(fields=["period"], name="entry_period"),
            # Neither predicate names a column that later moves, so moving a state touches no index.
            models.Index(fields=["reverses"], condition=models.Q(reverses__isnull=False), name="entry_reverses"),
            models.Index(fields=["document_number"], condition=~models.Q(document_number=""), name="entry_erp_number"),
        ]

    def __str__(self) -> str:
        return self.number or str(self.id)

    @transition("state", source="drafted", target="ready")
    def make_ready(self) -> None:
        """Balanced, numbered, frozen. The database checks all three; use ledger.journal.post_ready."""

    @transition("state", source=["ready", "blocked"], target="posting")
    def start_posting(self) -> None:
        """It is being sent to the ERP, for the first time or again."""

    @transition("state", source="posting", target="posted")
    def post(self) -> None:
        """The ERP holds it and it was read back."""

    @transition("state", source="posting", target="blocked")
    def block(self) -> None:
        """The ERP surely did not take it."""

    # From ready too: what a check before sending found is mended in master data before anything was sent.
    @transition("state", source=["ready", "blocked"], target="superseded")
    def supersede(self) -> None:
        """Never posted; another derivation of the same event takes its place."""

    @transition("state", source="posted", target="reversed")
    def reverse(self) -> None:
        """Its mirror entry is posted."""


class JournalLine(models.Model):
    """amount_minor > 0 is a debit, < 0 a credit, in the entry's currency. Written once, never changed.

    The three references carry no constraint of their own: one statement-level trigger checks them for a whole
    batch, where three row-level ones would take longer than the rest of the insert.
    """

    append_only = True

    entry = models.ForeignKey(
        JournalEntry, on_delete=models.PROTECT, related_name="lines", db_constraint=False, db_index=False
    )
    line = models.PositiveIntegerField()
    account = models.ForeignKey(
        Account, on_delete=models.PROTECT, related_name="lines", db_constraint=False, db_index=False
    )
    amount_minor = models.BigIntegerField()
    functional_minor = models.BigIntegerField()
    group_minor = models.BigIntegerField()
    dimensions = models.JSONField(default=dict, blank=True)
    customer = models.CharField(max_length=64, blank=True)
    memo = models.CharField(max_length=400, blank=True)
    rule_line = models.ForeignKey(
        PostingRuleLine,
        on_delete=models.PROTECT,
        null=True,
        related_name="journal_lines",
        db_constraint=False,
        db_index=False,
    )

    class Meta:
        ordering = ["entry", "line"]
        constraints = [models.UniqueConstraint(fields=["entry", "line"], name="one_journal_line")]

    def __str__(self) -> str:
        return f"{self.entry_id}:{self.line}"
