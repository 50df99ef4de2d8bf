# SPDX-License-Identifier: GPL-3.0-or-later
"""Makes a Tryton's role and databases: python database.py ADDRESS ROLE PASSWORD NAME [TEMPLATE]

ADDRESS is of a superuser. NAME is made anew, from TEMPLATE where one is named.
"""

from __future__ import annotations

import sys

import psycopg
from psycopg import sql


def main() -> None:
    address, role, password, name, *template = sys.argv[1:]
    with psycopg.connect(address, autocommit=True) as connection:
        there = connection.execute("SELECT 1 FROM pg_roles WHERE rolname = %s", [role]).fetchone()
        how = "ALTER ROLE {} LOGIN PASSWORD {}" if there else "CREATE ROLE {} LOGIN PASSWORD {}"
        connection.execute(sql.SQL(how).format(sql.Identifier(role), sql.Literal(password)))
        connection.execute(sql.SQL("DROP DATABASE IF EXISTS {} WITH (FORCE)").format(sql.Identifier(name)))
        connection.execute(
            sql.SQL("CREATE DATABASE {} OWNER {} TEMPLATE {}").format(
                sql.Identifier(name), sql.Identifier(role), sql.Identifier(template[0] if template else "template0")
            )
        )


if __name__ == "__main__":
    main()
