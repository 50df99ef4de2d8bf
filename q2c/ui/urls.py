"""Addresses of the pages, noun by noun. q2c/urls.py includes it at the root."""

from __future__ import annotations

from django.urls import path

from q2c.ui import gallery, sign_in

_FRAME = [
    path("sign-in", sign_in.sign_in, name="sign-in"),
    path("sign-out", sign_in.sign_out, name="sign-out"),
    path("password", sign_in.password, name="password"),
    path("preferences", sign_in.own_preferences, name="preferences"),
    path("gallery", gallery.show, name="gallery"),
]

urlpatterns = [
    *_FRAME,
]
