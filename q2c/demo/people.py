"""Who works at Tern Systems: one person per role at least, each in the team whose cases they work on."""

from __future__ import annotations

import secrets
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

from django.contrib.auth import get_user_model
from django.contrib.auth.hashers import make_password

from exceptions.models import Team
from exceptions.policies import BILLING, CONTROL, PLATFORM, SALES, SYSTEMS
from q2c import roles


@dataclass(frozen=True, slots=True)
class Person:
    """`shown`: told at the end of the load, so that a visitor can sign in as them; `note`: what for."""

    name: str
    first: str
    last: str
    role: str
    team: str = ""
    shown: bool = True
    note: str = ""


PEOPLE = (
    Person("sofia", "Sofia", "Marín", "Sales ops", SALES),
    Person("ben", "Ben", "Okafor", "Billing ops", BILLING),
    Person("mei", "Mei", "Tanaka", "Finance systems", SYSTEMS),
    Person("carla", "Carla", "Weiss", "Controller", CONTROL),
    Person("arthur", "Arthur", "Lindqvist", "Auditor"),
    Person("pat", "Pat", "Novak", "Platform engineer", PLATFORM),
    # Second pairs of eyes, and second pairs of hands.
    Person("dmitri", "Dmitri", "Hale", "Controller", CONTROL, note="for second signatures"),
    Person("nora", "Nora", "Adeyemi", "Finance systems", SYSTEMS, shown=False),
    Person("tom", "Tom", "Keller", "Sales ops", SALES, shown=False),
    Person("ines", "Inês", "Duarte", "Billing ops", BILLING, shown=False),
)
# The hours in which a team's service levels run.
ZONES = {
    SALES: "America/New_York", BILLING: "Europe/Berlin", SYSTEMS: "Europe/Berlin", CONTROL: "Europe/London",
    PLATFORM: "Europe/Berlin",
}  # fmt: skip


def hire(*, sign_in: bool = True) -> list[dict[str, str]]:
    """Users with their groups and teams. Returns who may be shown: {"name", "role", "password"}, role with note.

    `sign_in` False: nobody gets a password, which takes a good part of a second each.
    """
    user_model = get_user_model()
    # Nobody signs in as those who are not shown: they get no password.
    passwords = {person.name: secrets.token_urlsafe(9) for person in PEOPLE if person.shown and sign_in}
    with ThreadPoolExecutor() as pool:
        hashed = dict(zip(passwords, pool.map(make_password, passwords.values()), strict=True))
    shown = []
    for person in PEOPLE:
        password = passwords.get(person.name)
        user = user_model.objects.create(
            username=person.name, email=f"{person.name}@tern.example", first_name=person.first, last_name=person.last,
            is_staff=True, password=hashed.get(person.name) or make_password(None),
        )  # fmt: skip
        user.groups.set(roles.of([person.role]))
        if person.team:
            Team.objects.get(code=person.team).members.add(user)
        if password:
            role = ", ".join(filter(None, (person.role, person.note)))
            shown.append({"name": person.name, "role": role, "password": password})
    for code, zone in ZONES.items():
        team = Team.objects.get(code=code)
        team.zone = zone
        team.save()
    return shown


def user(name: str) -> object:
    """A person as the verbs take them, with their rights read once."""
    return get_user_model().objects.get(username=name)
