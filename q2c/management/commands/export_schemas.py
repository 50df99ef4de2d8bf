"""manage.py export_schemas [--check]: write the JSON Schemas of the inbound events from the contracts."""

from __future__ import annotations

from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from q2c.contracts import schema


class Command(BaseCommand):
    help = "Writes q2c/contracts/schemas/<Event>.v<version>.json; --check only says whether they differ"
    requires_system_checks: list[str] = []

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--check", action="store_true", help="fail where a file differs from the code")

    def handle(self, *_: Any, **options: Any) -> None:
        if options["check"]:
            if differing := schema.differing():
                raise CommandError(f"differ from the code: {', '.join(differing)}; run manage.py export_schemas")
            return
        changed = schema.export()
        self.stdout.write("\n".join(changed) if changed else "All schemas are up to date.")
