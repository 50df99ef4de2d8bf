"""What the demo's database holds: of which version its tables and its example data are, and from which load."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Any

from q2c.local import places
from q2c.local.stop import Stop

# To be raised when load_demo writes something that older data lack and pages rely on.
DATA_VERSION = 1
# Where what `migrate` makes is told.
ROOMS = ("q2c", "ledger", "exceptions")


def version(root: Path = places.ROOT) -> str:
    """Changes with any migration, the SQL beside them included, and with DATA_VERSION."""
    return _digest(root, "*/migrations/**/*", str(DATA_VERSION))


def program(root: Path = places.ROOT) -> str:
    """Changes with any line: guards, state edges, roles and runbook texts are made of code after the migrations."""
    return "".join(_digest(root, f"{room}/**/*") for room in ROOMS)


def _digest(root: Path, found: str, begin: str = "") -> str:
    digest = hashlib.sha256(begin.encode())
    for path in sorted(path for ending in ("py", "sql") for path in root.glob(f"{found}.{ending}")):
        digest.update(str(path.relative_to(root)).encode() + path.read_bytes())
    return digest.hexdigest()[:16]


class Dataset:
    """The notes in `where` about the database at `identity`: "own", or a hash of the address given."""

    def __init__(self, where: Path, identity: str = "own") -> None:
        self.identity = identity
        # Each database its own notes: what is told of one is not true of another.
        of = "" if identity == "own" else f".{identity}"
        self._migrated = where / f"migrated{of}.json"
        self._loading = where / f"loading{of}.json"
        self._loaded = where / f"loaded{of}.json"
        self._version, self._program = version(), program()

    def must_fit(self) -> None:
        """Stop when the example data are of another version than the program."""
        loaded = self._note(self._loaded)
        if loaded and loaded.get("version") != self._version:
            remedy = "Start over with: bin/demo --fresh" if self.identity == "own" else "Empty it, then start again"
            raise Stop("The stored example data are of another version of q2c", remedy)

    def is_migrated(self) -> bool:
        return self._note(self._migrated).get("program") == self._program

    def is_loaded(self) -> bool:
        return bool(self._note(self._loaded))

    def load_was_interrupted(self) -> bool:
        return bool(self._note(self._loading)) and not self.is_loaded()

    def migrated(self) -> None:
        self._write(self._migrated)

    def load_begins(self) -> None:
        self._write(self._loading)

    def is_somebodys(self) -> None:
        """From now on whatever it holds may be somebody's own."""
        self._loading.unlink(missing_ok=True)

    def was_emptied(self) -> None:
        """By somebody, whatever the notes say."""
        self._loading.unlink(missing_ok=True)
        self._loaded.unlink(missing_ok=True)

    def load_ended(self) -> None:
        self._write(self._loaded)
        self._loading.unlink(missing_ok=True)

    def _note(self, file: Path) -> dict[str, Any]:
        note = places.read_json(file)
        return note if note.get("database") == self.identity else {}

    def _write(self, file: Path) -> None:
        noted = {"database": self.identity, "version": self._version, "program": self._program}
        places.write_json(file, noted)
