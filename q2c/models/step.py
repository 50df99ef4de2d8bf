"""One run of one stage for one event: the unit of work, retry, exactly-once, replay and audit."""

from __future__ import annotations

from django.contrib.postgres.indexes import GinIndex
from django.db import models
from django.db.models import Q
from django_fsm import transition

from q2c.models.event import Event
from q2c.states import StateField, StateRecord, Stays
from q2c.visible import VisibleQuerySet

OPEN = ("waiting", "running", "accepted", "unknown", "failed")
DUE = ("waiting", "accepted", "unknown")


class Step(StateRecord):
    """What one stage does about one event, for one part of it (a connection, an entity, a phase).

    `key` is what the platform stores of it; `seq` orders the steps of one `order_key`: a step is held while an
    earlier one is not done, or another one is in the middle. `sent_at` is set before the first byte leaves, so a lost
    worker's step is known to be unknown. `proof` tells what was searched, found and posted, and when.
    """

    why_column = "text"
    stays = (
        Stays("what a step is, and the key that the platform knows it by, are said once",
              only=("event_id", "stage", "part", "key", "created_at")),
        # Its period follows the calendar of its legal entity (q2c_place_invoices).
        Stays("what came of it is the proof that nothing was sent twice", once=("done", "abandoned"),
              but=("state", "order_key", "seq", "next_at", "period")),
    )  # fmt: skip

    event = models.ForeignKey(Event, on_delete=models.PROTECT, related_name="steps")
    stage = models.CharField(max_length=40)
    part = models.CharField(max_length=160, blank=True)
    connection = models.CharField(max_length=60, blank=True)
    key = models.CharField(max_length=20)
    state = StateField(default="waiting")
    phase = models.CharField(max_length=8, default="send")
    # For people: how often it was tried since its last replay. That a job was asked about and goes on is no try.
    attempts = models.PositiveIntegerField(default=0)
    # By transient reason, how often in a row: what a policy's budget allows. Progress takes it back.
    failures = models.JSONField(default=dict, db_default=models.Value({}, models.JSONField()))
    replays = models.PositiveIntegerField(default=0)
    seq = models.BigIntegerField(db_default=models.Func(models.Value("q2c_step_seq"), function="nextval"))
    order_key = models.CharField(max_length=160, blank=True)
    next_at = models.DateTimeField()
    # The connection that did not answer, of a step that asks several; it is paused while that one is down.
    waiting_for = models.CharField(max_length=60, blank=True, db_default="")
    lease = models.UUIDField(null=True)
    lease_until = models.DateTimeField(null=True)
    sent_at = models.DateTimeField(null=True)
    # The job that a platform accepted, while it may still come to something there, and since when it is worked on.
    handle = models.CharField(max_length=200, blank=True)
    accepted_at = models.DateTimeField(null=True)
    reason = models.CharField(max_length=40, blank=True)
    text = models.TextField(blank=True)
    blocker = models.JSONField(null=True)
    proof = models.JSONField(default=dict)
    reference = models.CharField(max_length=200, blank=True)
    document = models.CharField(max_length=200, blank=True)
    business_key = models.CharField(max_length=80, blank=True)
    customer = models.CharField(max_length=200, blank=True)
    amount_minor = models.BigIntegerField(null=True)
    currency = models.CharField(max_length=3, blank=True)
    entity = models.CharField(max_length=20, blank=True)
    period = models.CharField(max_length=20, blank=True)
    created_at = models.DateTimeField()
    finished_at = models.DateTimeField(null=True)

    # Where a row came from, for a key that reads its own alone (see visible.py).
    came_from = ("event__source",)
    objects = VisibleQuerySet.as_manager()

    class Meta:
        constraints = [models.UniqueConstraint(fields=["event", "stage", "part"], name="step_once")]
        indexes = [
            # What a worker claims next.
            models.Index(fields=["stage", "next_at", "seq"], condition=Q(state__in=DUE), name="step_due"),
            # What an expired lease left behind.
            models.Index(fields=["lease_until"], condition=Q(state="running"), name="step_leased"),
            # Whether an earlier step of the same order key is still open.
            models.Index(
                fields=["order_key", "seq"], condition=Q(state__in=OPEN) & ~Q(order_key=""), name="step_order"
            ),
            # What stopped, by where.
            models.Index(fields=["stage", "connection"], condition=Q(state="failed"), name="step_failed"),
            # What people gave up, by the month that it is missing from.
            models.Index(
                fields=["entity", "period"],
                condition=Q(state="abandoned", stage__in=["record_invoice", "post_journal"]) & ~Q(reason="superseded"),
                name="step_given_up",
            ),
            models.Index(fields=["business_key"], name="step_business_key"),
            # All versions of a deal or an invoice, whatever number they have.
            models.Index(
                fields=["order_key"], condition=Q(stage__in=["accept_order", "record_invoice"]), name="step_versions"
            ),
            # What is billed in a month: how it ties out.
            models.Index(fields=["entity", "period"], condition=Q(stage="record_invoice"), name="step_billed"),
            # The key that a platform may know of it.
            models.Index(fields=["key"], condition=Q(sent_at__isnull=False), name="step_sent_key"),
            # What a platform calls what it made; of journals and customers that is kept elsewhere.
            models.Index(
                fields=["document"],
                condition=~Q(document="") & ~Q(stage__in=["post_journal", "sync_customer"]),
                name="step_document",
            ),
            # One of several documents: a cancellation has one for each subscription.
            GinIndex(fields=["proof"], condition=Q(stage="cancel_order"), name="step_cancelled_documents"),
            # What billing has cancelled, whatever became of the order.
            models.Index(
                fields=["business_key"], condition=Q(stage="cancel_order", proof__has_key="kept"), name="step_in_part"
            ),
            models.Index(fields=["connection", "stage"], condition=Q(state__in=OPEN), name="step_open_connection"),
        ]

    def __str__(self) -> str:
        return f"{self.stage} {self.business_key or self.part}"

    @property
    def documents(self) -> set[str]:
        """What platforms call what it made; of a cancellation also what it has made so far, one a subscription."""
        kept = self.proof.get("kept", {}).values()
        return {name for name in (*self.document.split(", "), *(one["document"] for one in kept)) if name}

    @transition("state", source=list(DUE), target="running")
    def claim(self) -> None:
        """A worker takes it, under a lease."""

    @transition("state", source="running", target="done")
    def finish(self) -> None:
        """What had to happen has happened, with proof."""

    @transition("state", source="running", target="waiting")
    def retry(self) -> None:
        """Surely not done; it comes up again at next_at."""

    @transition("state", source="running", target="accepted")
    def hand_over(self) -> None:
        """The platform works on it; its handle is polled."""

    @transition("state", source="running", target="unknown")
    def lose(self) -> None:
        """May have been done; it is looked up before anything else."""

    @transition("state", source="running", target="failed")
    def fail(self) -> None:
        """Needs a person: its case opens in the same transaction."""

    @transition("state", source="failed", target="waiting")
    def replay(self) -> None:
        """A person, or a fix, puts it back to work."""

    @transition("state", source=["failed", "waiting"], target="abandoned")
    def abandon(self) -> None:
        """Given up for a reason, approved, or superseded by a newer version of the same fact."""

    @transition("state", source="abandoned", target="failed")
    def take_up(self) -> None:
        """Wanted after all: one person asked, another agreed (q2c/guards.py); it is replayed next."""
