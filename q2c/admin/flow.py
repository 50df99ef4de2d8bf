"""What the flow owns: to be read here, changed only by the flow and on its pages."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from django.contrib import admin
from django.db import models
from django.http import HttpRequest
from django.urls import NoReverseMatch, reverse
from django.utils.html import format_html, format_html_join

from exceptions.models import Approval, Case, Offer, Problem, ReplayBatch
from ledger.models import JournalEntry, JournalLine, JournalSeries
from q2c.admin import approvals
from q2c.admin.amounts import priced, said
from q2c.admin.filters import NamedOnly
from q2c.admin.master import VisibleMixin
from q2c.models import (
    Attempt,
    Breaker,
    ChargeSegment,
    CrossReference,
    Event,
    Invoice,
    InvoiceLine,
    Order,
    OrderGroup,
    OrderLine,
    Step,
    Subscription,
    Transition,
)
from q2c.states import StateRecord
from q2c.ui import formats

# Records whose page says more than the admin can, by the view's name.
PAGES: dict[type[models.Model], str] = {
    Order: "order", Invoice: "invoice", JournalEntry: "journal", Case: "case", Problem: "problem",
    ReplayBatch: "replay",
}  # fmt: skip


# Where the currency of an amount stands: of every amount of a record, or of one column.
CURRENCIES: dict[tuple[type[models.Model], str], Callable[[Any], str]] = {
    (Order, ""): lambda order: order.currency,
    (OrderGroup, ""): lambda group: group.currency,
    (OrderLine, ""): lambda line: line.order.groups.get(key=line.group).currency,
    (Invoice, ""): lambda invoice: invoice.currency,
    (InvoiceLine, ""): lambda line: line.invoice.currency,
    (ChargeSegment, ""): lambda segment: segment.subscription.currency,
    (Step, ""): lambda step: step.currency,
    (JournalEntry, ""): lambda entry: entry.currency,
    (JournalLine, ""): lambda line: line.entry.currency,
    (JournalLine, "functional_minor"): lambda line: line.entry.functional_currency,
    (JournalLine, "group_minor"): lambda line: line.entry.group_currency,
    (Case, ""): lambda case: case.currency,
    (Approval, ""): lambda approval: approval.currency,
}


class ReadOnly:
    """No adding, changing or deleting, whatever rights a person has."""

    def has_add_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False


class FlowAdmin(ReadOnly, VisibleMixin, admin.ModelAdmin):  # type: ignore[type-arg]
    show_full_result_count = False
    list_per_page = 50
    view_on_site = False
    actions = None

    def has_view_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """Some of these records have the rights of the record they belong to."""
        if not self.opts.default_permissions:
            return request.user.has_perm("exceptions.view_case")
        return super().has_view_permission(request, obj)

    def has_module_permission(self, request: HttpRequest) -> bool:
        return self.has_view_permission(request)

    def get_fields(self, request: HttpRequest, obj: Any = None) -> Any:
        names = [shown(self.model, field.name) for field in self.model._meta.fields if not _is_search(field)]
        extra = ["moves"] if issubclass(self.model, StateRecord) else []
        return [*(["page"] if self.model in PAGES else []), *names, *extra]

    def get_readonly_fields(self, request: HttpRequest, obj: Any = None) -> Any:
        return self.get_fields(request, obj)

    @admin.display(description="Its page")
    def page(self, record: Any) -> str:
        try:
            return format_html('<a href="{}">Open</a>', reverse(PAGES[self.model], args=[record.pk]))
        except NoReverseMatch:
            return "–"

    @admin.display(description="Moves")
    def moves(self, record: Any) -> str:
        """Every change of its state: when, from what to what, by whom, why."""
        rows = Transition.objects.filter(machine=self.model._meta.db_table, record_id=record.pk).order_by("id")[:100]
        told = [
            (formats.instant_text(row.at, "full"), row.source or "made", row.target, row.actor, row.why) for row in rows
        ]
        return format_html_join("", "<div>{} {} → {} by {} <em>{}</em></div>", told) or "–"

    @admin.display(description="Amount", ordering="amount_minor")
    def amount(self, record: Any) -> str:
        return said(record.amount_minor, record.currency)

    @admin.display(description="Total", ordering="total_minor")
    def total(self, record: Any) -> str:
        return said(record.total_minor, record.currency)

    @admin.display(description="Amount", ordering="worth_minor")
    def worth(self, record: Any) -> str:
        return said(record.worth_minor, record.currency)


def shown(model: type[models.Model], name: str) -> Any:
    """A column, or in place of an amount in minor units a function that writes it as money."""
    currency_of = CURRENCIES.get((model, name)) or CURRENCIES.get((model, ""))
    if currency_of is not None and name == "unit_price":

        @admin.display(description="Unit price", ordering=name)
        def price(record: Any) -> str:
            return priced(record.unit_price, currency_of(record))

        return price
    if currency_of is None or not name.endswith("_minor"):
        return name

    @admin.display(description=name.removesuffix("_minor").replace("_", " ").capitalize())
    def amount(record: Any) -> str:
        return said(getattr(record, name), currency_of(record))

    return amount


def _is_search(field: Any) -> bool:
    return field.get_internal_type() in {"SearchVectorField", "BinaryField"}


def _is_owner(field: Any) -> bool:
    return (field.is_relation and field.related_model in PAGES) or field.related_model is Subscription


def lines(line: type[models.Model]) -> type[Any]:
    """A table of a record's lines."""
    columns = tuple(
        shown(line, field.name) for field in line._meta.fields if field.name != "id" and not _is_owner(field)
    )
    body = {"model": line, "extra": 0, "can_delete": False, "fields": columns, "readonly_fields": columns,
            "has_view_permission": _as_owner}  # fmt: skip
    return type(f"{line.__name__}s", (ReadOnly, admin.TabularInline), body)


def _as_owner(inline: Any, request: HttpRequest, obj: Any = None) -> bool:
    owner = inline.parent_model._meta
    return request.user.has_perm(f"{owner.app_label}.view_{owner.model_name}")


# model → (columns, filters, what is searched, inlines)
TABLES: dict[type[models.Model], tuple[tuple[Any, ...], tuple[Any, ...], tuple[str, ...], tuple[Any, ...]]] = {
    Event: (("received_at", "type", "source", "source_id", "correlation_id"), ("type", "source"), ("source_id",), ()),
    Step: (
        ("created_at", "stage", "state", "connection", "business_key", "amount", "entity", "reason", "document"),
        ("stage", "state", "connection", "reason"), ("business_key", "reference", "document", "key"), (),
    ),
    Attempt: (
        ("at", "connection", "method", "url", "status", "duration_ms", "error"), ("connection", "status"), (), (),
    ),
    Transition: (
        ("at", "machine", "source", "target", "actor", "why", "record_id"), ("machine", "target"), ("actor",), (),
    ),
    Order: (
        ("number", "state", "customer_name", "contract_entity", "total", "closed_on", "received_at"),
        ("state", "contract_entity", "currency"), ("number", "customer_key", "customer_name", "source_id"),
        (lines(OrderGroup), lines(OrderLine)),
    ),
    Subscription: (
        ("number", "state", "order", "entity", "currency", "starts_on", "ends_on"), ("state", "entity"),
        ("number", "reference", "account"), (lines(ChargeSegment),),
    ),
    Invoice: (
        ("number", "state", "customer_name", "entity", "total", "issued_on", "due_on"),
        ("state", "entity", "currency"), ("number", "billing_reference", "customer_name", "account"),
        (lines(InvoiceLine),),
    ),
    JournalEntry: (
        ("number", "state", "entity", "journal", "effective_on", "worth", "memo", "document_number"),
        ("state", "journal", "entity", ("period", NamedOnly)),
        ("number", "document_number", "business_document", "key"),
        (lines(JournalLine),),
    ),
    JournalSeries: (
        ("prefix", "entity", "fiscal_year", "journal", "last_number"), ("journal", "entity"), ("prefix",), (),
    ),
    Case: (
        ("number", "state", "reason", "entity", "business_key", "amount", "opened_at"), ("state", "reason", "entity"),
        ("number", "business_key"), (),
    ),
    Problem: (("number", "state", "title", "first_seen_at"), ("state", "kind"), ("title",), ()),
    Offer: (("created_at", "state", "title", "cases"), ("state",), ("title", "blocker_key"), ()),
    ReplayBatch: (("number", "created_at", "state", "title", "size"), ("state",), ("title",), ()),
    Approval: (
        ("requested_at", "state", approvals.asked_for, approvals.about, approvals.worth, "reason", "requested_by",
         "decided_by"),
        ("state",), ("reason", "case__business_key", "subject_id"), (),
    ),
    CrossReference: (
        ("connection", "kind", "our_key", "reference", "document", "at"), ("connection", "kind"),
        ("our_key", "reference", "document"), (),
    ),
    Breaker: (("connection", "opened_at", "probe_at", "failures", "text"), (), ("connection",), ()),
}  # fmt: skip

# What the rows of a list are read with, where Django does not see it by the columns.
BESIDE: dict[type[models.Model], tuple[str, ...]] = {Approval: ("case", "requested_by", "decided_by")}


def _register() -> None:
    for model, (columns, filters, searched, inlines) in TABLES.items():
        body = {"list_display": columns, "list_filter": filters, "search_fields": searched, "inlines": inlines,
                "ordering": ("-pk",), "list_select_related": BESIDE.get(model, False)}  # fmt: skip
        admin.site.register(model, type(f"{model.__name__}Admin", (FlowAdmin,), body))


_register()
