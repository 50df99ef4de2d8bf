"""No page writes by a right to view: each form asks for the right of what it does, and nothing happens without."""

from __future__ import annotations

from typing import Any

import pytest
from django.contrib import admin
from django.contrib.auth.models import Permission
from django.urls import URLPattern, get_resolver

from exceptions import casework
from exceptions.models import Approval, CaseEvent, Offer, ReplayBatch
from q2c.engine import desk
from q2c.models import Transition
from q2c.ui import urls
from tests.engine.makers import order
from tests.past_guards import past_guards
from tests.ui.people import boss, person, signed_in
from tests.ui.test_case import refused

pytestmark = pytest.mark.django_db
ID = "12345678-1234-1234-1234-123456789012"


def addresses() -> list[tuple[str, Any]]:
    """(path, view) of every page, the sandboxes' included."""
    found = []
    for entry in [*urls._FRAME, *urls._RECORDS, *urls._CASES, *urls._SANDBOX]:
        path = "/" + str(entry.pattern)
        for name in ("order", "invoice", "entry", "case", "problem", "batch", "offer", "approval"):
            path = path.replace(f"<uuid:{name}_id>", ID)
        for part, value in (("<slug:vendor>", "netsuite"), ("<slug:kind>", "customer"), ("<str:key>", "1"),
                            ("<str:entity>", "DE01"), ("<str:period>", "2026-11")):  # fmt: skip
            path = path.replace(part, value)
        found.append((path, entry.callback))
    return found


ADDRESSES = addresses()


@pytest.fixture
def reader(db: None) -> Any:
    """Somebody who may see everything and do nothing."""
    views = Permission.objects.filter(
        codename__startswith="view_", content_type__app_label__in=("q2c", "ledger", "exceptions")
    )
    return person(
        "reader", *(f"{label}.{name}" for label, name in views.values_list("content_type__app_label", "codename"))
    )


def test_every_page_is_walked() -> None:
    there = [entry for entry in get_resolver("q2c.ui.urls").url_patterns if isinstance(entry, URLPattern)]
    assert {entry.callback for entry in there} <= {view for _, view in ADDRESSES}


@pytest.mark.parametrize(("path", "view"), ADDRESSES, ids=[path for path, _ in ADDRESSES])
def test_a_form_by_somebody_who_only_reads_is_refused(path: str, view: Any, reader: Any) -> None:
    if view.right in ("public", "signed in"):
        pytest.skip("one's own: signing in, the password, preferences")
    verbs = getattr(view, "verbs", {})
    assert not [name for name in verbs.values() if name.partition(".")[2].startswith("view_")]
    answer = signed_in(reader).post(path, {"verb": "nothing that there is"})
    # 302 and 404: the page of a verb that there is not, or of a case that there is not; see below.
    expected = (302, 404) if verbs else (405,) if view.right.partition(".")[2].startswith("view_") else (403,)
    assert answer.status_code in expected


def test_each_verb_of_a_form_asks_for_its_own_right(company: Any, reader: Any) -> None:
    sold, root = order(), boss()
    case = refused(company, sold=sold)
    casework.close_without_fix(root, [refused(company, "INV-2", sold).id], "Old", "other")
    asked = Approval.objects.get()
    with past_guards():
        Approval.objects.filter(id=asked.id).update(requested_by=reader)
    client, moves, told = signed_in(reader), Transition.objects.count(), CaseEvent.objects.exclude(kind="refused")
    said = told.count()
    ids = {"case-act": [case.id], "queue-act": [], "approval-decide": [asked.id]}
    tried = 0
    for entry in urls._CASES:
        for verb in getattr(entry.callback, "verbs", {}):
            path = "/" + str(entry.pattern)
            for name, kind in (("case_id", "uuid"), ("approval_id", "uuid")):
                path = path.replace(f"<{kind}:{name}>", str(ids[entry.name][0]) if ids[entry.name] else "")
            form = {
                "verb": verb, "id": str(case.id), "reason": "because", "text": "x", "hours": "1", "closing": "because",
                "root_cause": "other", "team": "controllers", "effective_on": "2026-11-02",
            }  # fmt: skip
            assert client.post(path, form).status_code == 403, f"{path} {verb}"
            tried += 1
    assert tried == 23
    assert (Transition.objects.count(), told.count()) == (moves, said)
    batch = desk.plan(root, [case.id])
    for path in (f"/replays/{batch.id}/send", f"/replays/{batch.id}/cancel", f"/problems/{case.problem_id}/replay"):
        assert client.post(path).status_code == 403, path
    assert (ReplayBatch.objects.get().state, Offer.objects.count()) == ("dry_run", 0)


def test_no_action_of_a_list_of_master_data_rests_on_a_right_to_view() -> None:
    for model, site in admin.site._registry.items():
        for action in site.actions or ():
            function = action if callable(action) else getattr(site, action)
            allowed = set(getattr(function, "allowed_permissions", ()))
            assert allowed - {"view"}, f"{model.__name__}: {function.__name__}"
