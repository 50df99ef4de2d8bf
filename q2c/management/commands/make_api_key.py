"""manage.py make_api_key webshop [--for carla] [--scope q2c.add_event …] [--days 365]: a key, shown once."""

from __future__ import annotations

from typing import Any

from django.contrib.auth import get_user_model
from django.contrib.auth.models import Permission
from django.core.management.base import BaseCommand, CommandError, CommandParser

from exceptions import approvals
from q2c import clock
from q2c.contracts.events import EVENTS
from q2c.models import ApiKey
from q2c.models.api_key import READ_EVERY_SYSTEM
from q2c.reasons import Reason

# What an upstream system needs to send facts and follow what became of them: of its own, as it does not hold
# q2c.read_every_system.
DEFAULT_SCOPES = ("q2c.add_event", "q2c.add_order", "q2c.view_event", "q2c.view_order", "q2c.view_invoice")
# What a key asks for by these, a second person signs: nobody knows whose key it was where it belongs to nobody.
FOR_TWO = frozenset(
    approvals.RIGHTS[action] for action in (approvals.REDATE, approvals.REOPEN, str(Reason.REVERSAL_APPROVAL_REQUIRED))
)


class Command(BaseCommand):
    help = "Makes an API key for an upstream system and shows it once"

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("system", help="its events carry this name as their source")
        more = ", ".join(f"{row.name} {row.right}" for row in EVENTS.values() if row.right)
        parser.add_argument(
            "--scope",
            action="append",
            help=f"a right; default: {', '.join(DEFAULT_SCOPES)}. Of events, orders and invoices it reads what came "
            f"from its own source; those of every system with {READ_EVERY_SYSTEM}; journals are read whole. Beside "
            f"q2c.add_event these events need: {more}",
        )
        parser.add_argument(
            "--for", dest="person", help="the user name of whoever has the key: what it asks for, they do not approve"
        )
        parser.add_argument("--days", type=int, help="it expires after so many days")

    def handle(self, *_: Any, **options: Any) -> None:
        scopes = options["scope"] or list(DEFAULT_SCOPES)
        known = {
            f"{label}.{name}" for label, name in Permission.objects.values_list("content_type__app_label", "codename")
        }
        if unknown := sorted(set(scopes) - known):
            raise CommandError(f"No such right: {', '.join(unknown)}")
        person = self._person(options["person"], scopes)
        expires_at = clock.now() + clock.days(options["days"]) if options["days"] else None
        try:
            key, secret = ApiKey.make(options["system"], scopes, created_by=person, expires_at=expires_at)
        except ValueError as error:
            raise CommandError(str(error)) from None
        self.stdout.write(secret)
        until = f", until {expires_at:%Y-%m-%d}" if expires_at else ""
        self.stderr.write(f"For {key.system}{until}. It is not shown again: store it now.")
        if person is None:
            self.stderr.write("It belongs to nobody, so it does no work on cases; --for says whose it is.")

    def _person(self, name: str | None, scopes: list[str]) -> Any:
        """Whose key it is. Without one, a reversal that it asks for could be signed by whoever holds it."""
        if name is None:
            signed = sorted(FOR_TWO.intersection(scopes))
            if signed:
                raise CommandError(f"{', '.join(signed)} is for two people: say whose key it is, --for <user name>")
            return None
        person = get_user_model().objects.filter(username=name, is_active=True).first()
        if person is None:
            raise CommandError(f"Nobody who works here is called {name}: send a user name that is active")
        return person
