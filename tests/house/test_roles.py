"""Roles as installed: each right exists, nobody approves what they may ask alone, auditors only read."""

from __future__ import annotations

import pytest
from django.contrib.auth.models import Group
from django.core.management import call_command

from q2c import roles

pytestmark = pytest.mark.django_db


def test_migrate_installs_every_role_with_its_rights() -> None:
    for name, rights in roles.ROLES.items():
        group = Group.objects.get(name=name)
        held = {f"{p.content_type.app_label}.{p.codename}" for p in group.permissions.select_related("content_type")}
        assert held == set(rights), name


def test_an_auditor_only_reads() -> None:
    assert all(right.partition(".")[2].startswith("view_") for right in roles.ROLES["Auditor"])


def test_only_controllers_decide_what_others_asked() -> None:
    deciding = [name for name, rights in roles.ROLES.items() if "exceptions.approve_case" in rights]
    assert deciding == ["Controller"]


def test_a_changed_role_is_left_alone_until_reset(capsys: pytest.CaptureFixture[str]) -> None:
    group = Group.objects.get(name="Auditor")
    group.permissions.clear()
    call_command("install_roles")
    assert "exists already" in capsys.readouterr().out
    assert not group.permissions.exists()
    call_command("install_roles", reset=True)
    assert group.permissions.count() == len(roles.ROLES["Auditor"])


def test_a_right_that_no_model_declares_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(roles.ROLES, "Auditor", ("q2c.view_nothing",))
    with pytest.raises(LookupError, match=r"q2c\.view_nothing"):
        roles.install(reset=True)
