"""Where things lie, and folders that are made with the modes they need."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import stat
import tempfile
from pathlib import Path
from typing import Any

from q2c.local.stop import Stop

ROOT = Path(__file__).resolve().parent.parent.parent
LOCAL = Path(os.environ.get("Q2C_LOCAL") or ROOT / ".local")
LOGS = LOCAL / "log"
VENV = ROOT / ".venv"
LOG_BYTES_MAX = 10 * 1024 * 1024


def folder(path: Path) -> Path:
    """Makes `path` and what is missing above it with 0755: a server under another account must pass through.

    Folders that are there already keep their modes: they are somebody's.
    """
    if path.is_dir():
        return path
    folder(path.parent)
    try:
        path.mkdir(exist_ok=True)
    except FileExistsError:
        raise Stop(f"{path} has to be a folder, and is none", f"Look at it, then remove it: rm {path}") from None
    # mkdir obeys the umask, which may be 077.
    path.chmod(0o755)
    return path


def outside(name: str) -> Path:
    """A folder of ours under /var/tmp for what may not lie in the project; the same one at every start.

    /var/tmp is open to everybody, so a folder that somebody else laid there first is refused.
    """
    path = outside_path(name)
    path.mkdir(mode=0o755, exist_ok=True)
    found = path.lstat()
    if not stat.S_ISDIR(found.st_mode) or found.st_uid != os.getuid() or found.st_mode & 0o022:
        raise Stop(f"{path} belongs to somebody else", f"Look at it, then remove it: rm -r {path}")
    path.chmod(0o755)
    return path


def outside_path(name: str) -> Path:
    # Not /tmp, which may be emptied when the machine starts.
    base = Path("/var/tmp")  # noqa: S108
    base = base if os.access(base, os.W_OK) else Path(tempfile.gettempdir())
    return base / f"q2c-{name}"


def short_hash(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()[:12]


def read_json(path: Path) -> dict[str, Any]:
    """The object in `path`; {} when there is none or it is broken (a full disk leaves empty files)."""
    try:
        found = json.loads(path.read_text())
    except (OSError, ValueError):
        return {}
    return found if isinstance(found, dict) else {}


def write_json(path: Path, content: dict[str, Any], mode: int = 0o644) -> None:
    """Replaces `path` in one step, so that a reader or a crash never meets half of it."""
    beside = path.with_name(f"{path.name}.{os.getpid()}")
    with os.fdopen(os.open(beside, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, mode), "w") as file:
        json.dump(content, file, indent=1)
        file.write("\n")
    beside.replace(path)


def log_file(logs: Path, name: str) -> Path:
    """The log of a process, made ready: one that grew past LOG_BYTES_MAX steps aside as <name>.log.1."""
    path = folder(logs) / f"{name}.log"
    if path.exists() and path.stat().st_size > LOG_BYTES_MAX:
        path.replace(path.with_suffix(".log.1"))
    path.touch()
    return path


def last_line(log: Path) -> str:
    """The last words of a log, for an error that names it."""
    lines = log.read_text(errors="replace").split("\n")[-50:] if log.exists() else []
    # A database marks a place in a statement with a line of nothing but a sign.
    said = (line.strip() for line in reversed(lines) if any(char.isalnum() for char in line))
    return next(said, "it said nothing")[:300]


def discard(path: Path) -> None:
    """Removes it, and what an earlier call was interrupted in: whoever looks meets all of it or nothing."""
    if path.exists() or path.is_symlink():
        path.rename(path.with_name(f"{path.name}.going-{os.getpid()}"))
    for rest in path.parent.glob(f"{path.name}.going-*"):
        remove(rest)


def remove(path: Path) -> None:
    if path.is_symlink() or path.is_file():
        path.unlink()
    elif path.is_dir():
        shutil.rmtree(path)
