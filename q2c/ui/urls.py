"""Addresses of the pages, noun by noun. q2c/urls.py includes it at the root."""

from __future__ import annotations

from django.conf import settings
from django.urls import path

from q2c.ui import (
    approvals,
    case,
    case_actions,
    control_tower,
    differences,
    gallery,
    invoices,
    journals,
    offers,
    orders,
    problems,
    process,
    queue,
    replays,
    sandbox,
    sandbox_acts,
    sandbox_document,
    sign_in,
    trace,
)

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
    path("differences/<str:entity>/<str:period>", differences.of_month, name="differences"),
    path("orders", orders.index, name="orders"),
    path("orders/<uuid:order_id>", orders.one, name="order"),
    path("orders/<uuid:order_id>/cancel", orders.cancel, name="order-cancel"),
    path("orders/<uuid:order_id>/keep", orders.keep, name="order-keep"),
    path("invoices", invoices.index, name="invoices"),
    path("invoices/<uuid:invoice_id>", invoices.one, name="invoice"),
    path("journals", journals.index, name="journals"),
    path("journals/<uuid:entry_id>", journals.one, name="journal"),
    path("journals/<uuid:entry_id>/explain", journals.explain, name="journal-explain"),
    path("journals/<uuid:entry_id>/reverse", journals.reverse, name="journal-reverse"),
    path("trace", trace.show, name="trace"),
    path("process", process.show, name="process"),
]

# What failed, and how it is put right.
_CASES = [
    path("queue", queue.queue, name="queue"),
    path("queue/complete", queue.complete, name="queue-complete"),
    path("queue/act", case_actions.many, name="queue-act"),
    path("cases/<uuid:case_id>", case.case, name="case"),
    path("cases/<uuid:case_id>/act", case_actions.one, name="case-act"),
    path("cases/<uuid:case_id>/dry-run", case.dry_run, name="case-dry-run"),
    path("cases/<uuid:case_id>/progress", case.progress, name="case-progress"),
    path("problems", problems.problems, name="problems"),
    path("problems/<uuid:problem_id>", problems.problem, name="problem"),
    path("problems/<uuid:problem_id>/replay", problems.replay, name="problem-replay"),
    path("replays", replays.replays, name="replays"),
    path("replays/<uuid:batch_id>", replays.replay, name="replay"),
    path("replays/<uuid:batch_id>/progress", replays.progress, name="replay-progress"),
    path("replays/<uuid:batch_id>/send", replays.send, name="replay-send"),
    path("replays/<uuid:batch_id>/anew", replays.anew, name="replay-anew"),
    path("replays/<uuid:batch_id>/cancel", replays.cancel, name="replay-cancel"),
    path("offers", offers.offers, name="offers"),
    path("offers/ready", offers.ready, name="offers-ready"),
    path("offers/<uuid:offer_id>", offers.card, name="offer"),
    path("offers/<uuid:offer_id>/take", offers.take, name="offer-take"),
    path("offers/<uuid:offer_id>/dismiss", offers.dismiss, name="offer-dismiss"),
    path("approvals", approvals.approvals, name="approvals"),
    path("approvals/<uuid:approval_id>/decide", approvals.decide, name="approval-decide"),
]

# Where there are no sandboxes there are no pages of them, and no item in the navigation.
_SANDBOX = [
    path("sandbox", sandbox.index, name="sandbox"),
    path("sandbox/<slug:vendor>", sandbox.vendor, name="sandbox-vendor"),
    path("sandbox/<slug:vendor>/documents/<str:key>", sandbox_document.one, name="sandbox-document"),
    path("sandbox/<slug:vendor>/switch", sandbox.fault, name="sandbox-fault"),
    path("sandbox/<slug:vendor>/clock", sandbox.clock, name="sandbox-clock"),
    path("sandbox/<slug:vendor>/run", sandbox_acts.run, name="sandbox-run"),
    path("sandbox/<slug:vendor>/records/<slug:kind>", sandbox.records, name="sandbox-records"),
    path("sandbox/<slug:vendor>/records/<slug:kind>/change", sandbox.change, name="sandbox-change"),
    path("sandbox/<slug:vendor>/records/<slug:kind>/act", sandbox_acts.act, name="sandbox-act"),
]

urlpatterns = [
    *_FRAME,
    *_RECORDS,
    *_CASES,
    *(_SANDBOX if settings.SANDBOX_URL else []),
]
