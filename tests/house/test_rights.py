"""Every right opens something, and every kind of decision names the right that it needs."""

from __future__ import annotations

import ast
import functools
from collections.abc import Iterator

import pytest
from django.apps import apps
from django.contrib import admin

from exceptions import approvals
from q2c import roles
from q2c.reasons import APPROVALS
from tests.house.test_tidy import ROOT, sources

ROOMS = ("q2c", "ledger", "exceptions")
# Where rights are given; what asks for them stands elsewhere.
GIVES = {"q2c/roles.py", "q2c/management/commands/make_api_key.py"}


@functools.cache
def said() -> set[str]:
    """Every text of the code that asks, and each word of a template's."""
    found: set[str] = set()
    for path, text in sources(tests=False):
        if path not in GIVES:
            nodes = (node.value for node in ast.walk(ast.parse(text)) if isinstance(node, ast.Constant))
            found.update(value for value in nodes if isinstance(value, str))
    for path in (ROOT / "templates").rglob("*.html"):
        found.update(path.read_text().replace('"', " ").split())
    return found


def declared() -> Iterator[str]:
    for label in ROOMS:
        for model in apps.get_app_config(label).get_models():
            yield from (f"{label}.{codename}" for codename, _ in model._meta.permissions)


def is_asked_by_itself(right: str) -> bool:
    """A right to view, add or change: by the admin of its model, and to view by visible_to, through which all is read."""
    label, _, codename = right.partition(".")
    verb, _, name = codename.partition("_")
    model = apps.all_models[label].get(name)
    if model is None or verb not in model._meta.default_permissions:
        return False
    return admin.site.is_registered(model) or (verb == "view" and hasattr(model._default_manager, "visible_to"))


@pytest.mark.parametrize("right", sorted({*declared(), *(right for given in roles.ROLES.values() for right in given)}))
def test_each_right_is_asked_for_somewhere(right: str) -> None:
    assert right in said() or is_asked_by_itself(right), f"{right} is asked for nowhere: use it or take it away"


def test_each_kind_of_decision_names_the_right_it_needs() -> None:
    asked_by_people = {approvals.CLOSE, approvals.REDATE, approvals.REOPEN, approvals.AFTER_ALL}
    assert set(approvals.RIGHTS) == {reason.value for reason in APPROVALS} | asked_by_people


def test_who_decides_may_decide_on_all_of_it() -> None:
    needed = {right for action in approvals.RIGHTS for right in approvals.rights_for(action)}
    assert needed <= set(roles.ROLES["Controller"])
