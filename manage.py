#!/usr/bin/env python
"""Django's command line, as the owner of the database where the command changes its shape."""

import os
import sys

OWNER_COMMANDS = {"migrate", "flush", "sqlflush", "dbshell"}


def main() -> None:
    if sys.argv[1:2] and sys.argv[1] in OWNER_COMMANDS and os.environ.get("DATABASE_OWNER_URL"):
        os.environ.setdefault("Q2C_AS_OWNER", "1")
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "q2c.settings")
    from django.core.exceptions import ImproperlyConfigured
    from django.core.management import execute_from_command_line
    from django.db import DatabaseError

    try:
        execute_from_command_line(sys.argv)
    except ImproperlyConfigured as wrong:
        # A setting that cannot work: said in a line, with what to do.
        sys.exit(f"q2c: {wrong}")
    except DatabaseError as wrong:
        from q2c.database import told

        line = told.in_one_line(wrong, wants_owner=sys.argv[1:2] != [] and sys.argv[1] in OWNER_COMMANDS)
        if not line or "--traceback" in sys.argv:
            raise
        sys.exit(f"q2c: {line}")


if __name__ == "__main__":
    main()
