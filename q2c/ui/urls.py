"""Addresses of the pages, noun by noun. q2c/urls.py includes it at the root."""

from __future__ import annotations

from django.urls import path

from q2c.ui import control_tower, gallery, invoices, journals, orders, sign_in

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
    path("invoices", invoices.index, name="invoices"),
    path("journals", journals.index, name="journals"),
]

urlpatterns = [
    *_FRAME,
    *_RECORDS,
]
