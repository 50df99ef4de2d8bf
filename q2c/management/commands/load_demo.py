"""manage.py load_demo [--scale N]: a software company's year of quote-to-cash, made by the real flow."""

from __future__ import annotations

import gc
import json
import logging
import os
import time
from pathlib import Path
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.db import connection

from ledger.models import LegalEntity
from q2c import clock
from q2c.connectors.http import TransportError
from q2c.demo.platforms import ControlRefused
from q2c.demo.year import Year
from q2c.models import Connection, Event

TRY = (
    "Sign in as mei, open the queue, and find the journals that wait for cost centre CC-200. Switch it on among "
    "NetSuite's departments in Sandbox switches, as its users would; the cases are offered for replay, and come back "
    "with document numbers. (Somebody did so before? They stand under Resolved; bin/demo --fresh begins anew.)",
    "The credit service is down from the start, and orders wait for it: if it still is, switch its fault off in "
    "Sandbox switches, and watch them go on. Or let NetSuite do create_journal and drop the connection before you "
    "replay something.",
    "Put any identifier into Trace and follow one deal from the opportunity to the posted journal. As carla, sign what "
    "waits for a second person; what she asks for herself, like reopening a period, dmitri signs. The credits of an "
    "order that you cancel come with billing's next run: Run billing, on Zuora's pages in Sandbox switches.",
)


def _be_quiet_and_quick() -> None:
    """Breakers that open belong to the story; and a year of records is no garbage to look through again and again."""
    logging.disable(logging.WARNING)
    gc.freeze()
    gc.set_threshold(50_000, 50, 100)
    # A load that was cut off starts over: no commit of it has to wait for the disk.
    with connection.cursor() as cursor:
        cursor.execute("SET synchronous_commit = off")


def _holds_data() -> bool:
    return Event.objects.exists() or LegalEntity.objects.exists() or Connection.objects.exists()


class Command(BaseCommand):
    help = "Loads the demo company and its year into an empty database and empty sandboxes."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--scale", type=int, default=1, metavar="N", help="N times the customers and deals")
        parser.add_argument("--look", action="store_true", help="only tells whether the database is empty")

    def handle(self, *args: Any, **options: Any) -> None:
        if options["look"]:
            self._say("holds data" if _holds_data() else "empty")
            return
        scale = options["scale"]
        if scale < 1:
            raise CommandError("--scale is 1 or more")
        if not settings.SANDBOX_URL:
            raise CommandError("SANDBOX_URL is not set: the demo year is made against the sandboxes; start bin/demo")
        if _holds_data():
            raise CommandError("This database holds data already; load_demo wants an empty one (bin/demo --fresh)")
        began = time.monotonic()
        _be_quiet_and_quick()
        year = Year(clock.now(), scale, say=self._say)
        try:
            year.found()
            found = year.live()
        except (TransportError, ControlRefused) as error:
            raise CommandError(f"A sandbox does not answer: {error}") from None
        self._leave(year.people)
        seconds = time.monotonic() - began
        self._say(
            f"{found.orders:,} orders, {found.invoices:,} invoices, {found.posted:,} posted, {found.cases:,} cases, "
            f"{found.open_cases:,} of them open, {found.waiting_cases:,} snoozed or awaiting approval; "
            f"{found.steps:,} steps in {seconds:.0f} s"
        )

    def _say(self, text: str) -> None:
        self.stdout.write(text)
        self.stdout.flush()

    def _leave(self, shown: list[dict[str, str]]) -> None:
        """For bin/demo to tell; without its folder, the passwords are printed here."""
        if not (folder := os.environ.get("Q2C_DEMO_FOLDER")):
            for row in shown:
                self._say(f"{row['name']:<10}{row['role']:<36}{row['password']}")
            return
        file = Path(folder) / "demo.json"
        file.touch(mode=0o600)
        file.write_text(json.dumps({"users": shown, "try": TRY}, indent=2))
