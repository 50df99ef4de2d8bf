"""One connection of a baseline: python -m tests.bench.writer, told by raw.Crew what to write and when."""

from __future__ import annotations

import os
import pickle
import sys

import psycopg


def main() -> None:
    def say(what: int | str) -> None:
        pickle.dump(what, sys.stdout.buffer)
        sys.stdout.buffer.flush()

    with psycopg.connect(os.environ["DATABASE_OWNER_URL"], autocommit=True) as connection:
        connection.prepare_threshold = 0
        cursor = connection.cursor()
        say(0)
        while True:
            try:
                statements = pickle.load(sys.stdin.buffer)
            except EOFError:
                return
            say(0)
            pickle.load(sys.stdin.buffer)
            try:
                say(sum(cursor.execute(*statement, binary=True).rowcount for statement in statements))
            except psycopg.Error as error:
                say(f"{type(error).__name__}: {error}")


if __name__ == "__main__":
    main()
