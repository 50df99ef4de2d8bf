"""Roles as installed: each right exists, nobody approves what they may ask alone, auditors only read."""

from __future__ import annotations

import importlib
from typing import Any

import pytest
from django.apps import apps
from django.contrib.auth.models import Group, Permission
from django.core.management import call_command
from django.db import connection

from q2c import roles
from q2c.models import ApiKey, Step

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


def test_a_right_that_is_no_more_is_taken_from_groups_and_keys() -> None:
    script: Any = importlib.import_module("q2c.migrations.0063_no_right_to_replay_steps")
    kind = Permission.objects.filter(content_type__model=Step._meta.model_name)[0].content_type
    group, gone = (
        Group.objects.get(name="Controller"),
        Permission.objects.create(codename="replay_step", content_type=kind),
    )
    held = group.permissions.count()
    group.permissions.add(gone)
    key = ApiKey.make("webshop", ["q2c.replay_step", "q2c.view_step"])[0]
    script._forget(apps, None)
    with connection.cursor() as cursor:
        cursor.execute(script._OF_KEYS)
    key.refresh_from_db()
    assert (group.permissions.count(), key.scopes) == (held, ["q2c.view_step"])
