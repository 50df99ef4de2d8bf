"""People with rights, for the tests of pages."""

from __future__ import annotations

import re
from typing import Any

from django.contrib.auth import get_user_model
from django.contrib.auth.models import Group, Permission
from django.test import Client

from exceptions.models import Team
from q2c import roles


def person(name: str, *rights: str) -> Any:
    """A person with these rights: "q2c.view_order"."""
    user = get_user_model().objects.create_user(name, password="a long enough word", first_name=name.title())
    for right in rights:
        app, codename = right.split(".")
        user.user_permissions.add(Permission.objects.get(content_type__app_label=app, codename=codename))
    return user


def boss() -> Any:
    return get_user_model().objects.create_superuser("rosa", password="a long enough word", first_name="Rosa")


def page(client: Client, address: str, status: int = 200) -> str:
    """The text of a page, having answered as it should."""
    answer = client.get(address)
    assert answer.status_code == status, f"{address} answered {answer.status_code}"
    body = b"".join(answer.streaming_content) if answer.streaming else answer.content  # type: ignore[arg-type]
    return body.decode()


def read(client: Client, address: str) -> str:
    """A page as it is read: without its tags, so that an amount is one word."""
    return re.sub(r"<[^>]+>", "", page(client, address))


def of_role(name: str, *names: str, team: str = "", **given: Any) -> Any:
    """A person with these roles, in a team."""
    roles.install()
    user = get_user_model().objects.create_user(name, password="a long enough word", **given)
    user.groups.set(Group.objects.filter(name__in=names))
    if team:
        Team.objects.get(code=team).members.add(user)
    return user


def with_rights(name: str, *codenames: str) -> Any:
    """A person with these rights of the room exceptions, and nothing else."""
    return person(name, *(f"exceptions.{codename}" for codename in codenames))


def signed_in(user: Any) -> Client:
    client = Client()
    client.force_login(user)
    return client
