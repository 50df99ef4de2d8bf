"""manage.py describe_books: the demo's companies and their books as JSON, for the set-up of a real ERP."""

from __future__ import annotations

import datetime as dt
import json
from typing import Any

from django.core.management.base import BaseCommand

from q2c import clock
from q2c.demo import books


class Command(BaseCommand):
    help = "Prints the demo's companies, accounts, dimensions and fiscal years as JSON."
    requires_system_checks = []

    def handle(self, *args: Any, **options: Any) -> None:
        today = clock.today()
        self.stdout.write(json.dumps(books.described(today - dt.timedelta(days=400), today + dt.timedelta(days=366))))
