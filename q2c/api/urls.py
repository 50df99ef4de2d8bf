"""Addresses of the REST API, below /api/v1/."""

from __future__ import annotations

from typing import Any

from django.urls import URLPattern, URLResolver, path, re_path

from q2c.api import approvals, cases, document, events, invoices, journals, orders, problems, trace, webhooks
from q2c.api.records import Records, by_method


def _list(view: type[Records]) -> Any:
    return view.as_view({"get": "list"})


def _one(view: type[Records], action: str = "retrieve", method: str = "get") -> Any:
    return view.as_view({method: action})


urlpatterns: list[URLPattern | URLResolver] = [
    path("events", by_method(get=_list(events.Events), post=events.post), name="api-events"),
    path("events/<uuid:pk>", _one(events.Events), name="api-event"),
    path("events/<uuid:pk>/sent", _one(events.Events, "sent"), name="api-event-sent"),
    path("schemas/<str:name>", events.event_schema, name="api-event-schema"),
    path("orders", by_method(get=_list(orders.Orders), post=orders.post), name="api-orders"),
    path("orders/<uuid:pk>", _one(orders.Orders), name="api-order"),
    path("invoices", _list(invoices.Invoices), name="api-invoices"),
    path("invoices/<uuid:pk>", _one(invoices.Invoices), name="api-invoice"),
    path("journals", _list(journals.Journals), name="api-journals"),
    path("journals/<uuid:pk>", _one(journals.Journals), name="api-journal"),
    path("journals/<uuid:pk>/explain", _one(journals.Journals, "explain"), name="api-journal-explain"),
    path("journals/<uuid:pk>/reverse", _one(journals.Journals, "reverse", "post"), name="api-journal-reverse"),
    path("periods", _list(approvals.Periods), name="api-periods"),
    path("periods/<uuid:pk>", _one(approvals.Periods), name="api-period"),
    path("periods/<uuid:pk>/reopen", _one(approvals.Periods, "reopen", "post"), name="api-period-reopen"),
    path("approvals", _list(approvals.Approvals), name="api-approvals"),
    path("approvals/<uuid:pk>", _one(approvals.Approvals), name="api-approval"),
    path("approvals/<uuid:pk>/approve", _one(approvals.Approvals, "approve", "post"), name="api-approval-approve"),
    path("approvals/<uuid:pk>/refuse", _one(approvals.Approvals, "refuse", "post"), name="api-approval-refuse"),
    path("approvals/<uuid:pk>/withdraw", _one(approvals.Approvals, "withdraw", "post"), name="api-approval-withdraw"),
    path("cases", _list(cases.Cases), name="api-cases"),
    path("cases/<uuid:pk>", _one(cases.Cases), name="api-case"),
    path("cases/<uuid:pk>/claim", _one(cases.Cases, "claim", "post"), name="api-case-claim"),
    path("cases/<uuid:pk>/comment", _one(cases.Cases, "comment", "post"), name="api-case-comment"),
    path("cases/<uuid:pk>/snooze", _one(cases.Cases, "snooze", "post"), name="api-case-snooze"),
    path("cases/<uuid:pk>/wake", _one(cases.Cases, "wake", "post"), name="api-case-wake"),
    path("cases/<uuid:pk>/replay", _one(cases.Cases, "replay", "post"), name="api-case-replay"),
    path("cases/<uuid:pk>/redate", _one(cases.Cases, "redate", "post"), name="api-case-redate"),
    path("cases/<uuid:pk>/book-after-all", _one(cases.Cases, "after_all", "post"), name="api-case-after-all"),
    path("trace", trace.Trace.as_view(), name="api-trace"),
    path("webhooks/<slug:name>", webhooks.post, name="api-webhook"),
    path("openapi.json", document.openapi, name="api-document"),
    path("docs", document.docs, name="api-docs"),
    # Last: what is none of the above is no page either.
    re_path(r"^(?P<rest>.*)$", problems.not_found, name="api-not-found"),
]
