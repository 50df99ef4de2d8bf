"""Addresses of the REST API, below /api/v1/."""

from __future__ import annotations

from django.urls import URLPattern, URLResolver, path, re_path

from q2c.api import events, orders, problems, webhooks

urlpatterns: list[URLPattern | URLResolver] = [
    path("events", events.post, name="api-events"),
    path("orders", orders.post, name="api-orders"),
    path("webhooks/<slug:name>", webhooks.post, name="api-webhook"),
    path("schemas/<str:name>", events.event_schema, name="api-event-schema"),
    # Last: what is none of the above is no page either.
    re_path(r"^(?P<rest>.*)$", problems.not_found, name="api-not-found"),
]
