"""Addresses of the pages, noun by noun. q2c/urls.py includes it at the root."""

from __future__ import annotations

from django.urls import path

from q2c.ui import control_tower, gallery, invoices, journals, orders, process, sign_in, trace

_FRAME = [
    path("sign-in", sign_in.sign_in, name="sign-in"),
    path("sign-out", sign_in.sign_out, name="sign-out"),
    path("password", sign_in.password, name="password"),
    path("preferences", sign_in.own_preferences, name="preferences"),
    path("gallery", gallery.show, name="gallery"),
]

# The flow's records, and where they stand.
_RECORDS = [
    path("", control_tower.show, name="control-tower"),
    path("orders", orders.index, name="orders"),
    path("orders/<uuid:order_id>", orders.one, name="order"),
    path("orders/<uuid:order_id>/cancel", orders.cancel, name="order-cancel"),
    path("invoices", invoices.index, name="invoices"),
    path("invoices/<uuid:invoice_id>", invoices.one, name="invoice"),
    path("journals", journals.index, name="journals"),
    path("journals/<uuid:entry_id>", journals.one, name="journal"),
    path("journals/<uuid:entry_id>/explain", journals.explain, name="journal-explain"),
    path("journals/<uuid:entry_id>/reverse", journals.reverse, name="journal-reverse"),
    path("trace", trace.show, name="trace"),
    path("process", process.show, name="process"),
]

urlpatterns = [
    *_FRAME,
    *_RECORDS,
]
