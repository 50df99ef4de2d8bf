"""Write the table of STAGES into docs/architecture.md, between its markers."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError, CommandParser

from q2c.reading import process

BEGIN, END = "<!-- process:begin -->", "<!-- process:end -->"
DOC = Path("docs") / "architecture.md"


def written(text: str) -> str:
    """The document with the table as it is now. Raises ValueError where the markers are missing."""
    if text.count(BEGIN) != 1 or text.count(END) != 1 or text.index(BEGIN) > text.index(END):
        raise ValueError(f"The document must hold {BEGIN} and {END} once each, in this order")
    before, rest = text.split(BEGIN)
    _, after = rest.split(END)
    return f"{before}{BEGIN}\n\n{process.markdown()}\n\n{END}{after}"


class Command(BaseCommand):
    help = "Writes the process table of docs/architecture.md from STAGES."
    # It reads code alone: no secret need be set, no database be there.
    requires_system_checks = ()

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--check", action="store_true", help="Change nothing; fail when the document is behind")

    def handle(self, *args: Any, **options: Any) -> None:
        path = Path(settings.BASE_DIR) / DOC
        old = path.read_text()
        try:
            new = written(old)
        except ValueError as error:
            raise CommandError(f"{DOC}: {error}") from error
        if new == old:
            self.stdout.write(f"{DOC} is up to date")
        elif options["check"]:
            raise CommandError(f"{DOC} is behind the code; run manage.py process_table")
        else:
            path.write_text(new)
            self.stdout.write(f"{DOC} written")
