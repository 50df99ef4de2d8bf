"""manage.py install_roles [--reset]: make the roles of q2c/roles.py; --reset gives existing ones the table's rights."""

from __future__ import annotations

from typing import Any

from django.core.management.base import BaseCommand, CommandParser

from q2c import roles


class Command(BaseCommand):
    help = "Makes the roles that are missing; --reset puts the rights of all roles back to q2c/roles.py"

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--reset", action="store_true", help="also for roles that exist")

    def handle(self, *_: Any, **options: Any) -> None:
        made = roles.install(reset=options["reset"])
        self.stdout.write(", ".join(made) if made else "Every role exists already.")
