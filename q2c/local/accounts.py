"""Under which account servers run, and what that account may reach.

PostgreSQL refuses uid 0, so as root the servers run as `postgres` or `nobody`. What such an account can reach is
found by trying, never by reading modes (ACLs and mounts decide too), and nobody's modes are loosened for it.
"""

from __future__ import annotations

import os
import pwd
import shutil
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from q2c.local import places
from q2c.local.stop import Stop

# The working folder may be closed to the account, so servers start in /.
BARE = {"LC_ALL": "C", "TZ": "UTC", "PATH": "/usr/bin:/bin"}
_NAMES = ("postgres", "nobody")
_ELSEWHERE = "Set DATABASE_URL and REDIS_URL to servers of your own"


@dataclass(frozen=True)
class Account:
    name: str
    uid: int
    gid: int

    def own(self, path: Path) -> None:
        os.chown(path, self.uid, self.gid)

    def runs(self, *command: str) -> bool:
        """Whether this account can run the command to its end."""
        try:
            return run(self, command).returncode == 0
        except OSError:
            return False

    def enters(self, folder: Path) -> bool:
        return self.runs("/bin/sh", "-c", 'test -x "$1"', "sh", str(folder))


def run(account: Account | None, command: Sequence[str], stdin: str = "") -> subprocess.CompletedProcess[str]:
    """Runs a command to its end as `account`, in a bare environment: its messages are in English."""
    return subprocess.run(
        command, user=account.uid if account else None, group=account.gid if account else None,
        extra_groups=[] if account else None, input=stdin, env=BARE, cwd="/", text=True, capture_output=True,
        check=False,
    )  # fmt: skip


def server_account() -> Account | None:
    """The account to change to; None when servers run under our own."""
    if os.getuid() != 0:
        try:
            pwd.getpwuid(os.getuid())
        except KeyError:
            raise Stop(f"User id {os.getuid()} has no entry in the passwd file, and PostgreSQL needs one", _ELSEWHERE)
        return None
    for name in _NAMES:
        try:
            found = pwd.getpwnam(name)
        except KeyError:
            continue
        if found.pw_uid != 0:
            return Account(name, found.pw_uid, found.pw_gid)
    raise Stop("PostgreSQL refuses to run as root, and there is neither a user postgres nor nobody", _ELSEWHERE)


def reachable_program(program: Path, folders: list[Path], account: Account | None) -> Path:
    """`program`, or a copy of it that `account` can run.

    `folders` are what the program needs, siblings of each other with the program in the first one. The copy lies in a
    folder of root named by the program's hash, so two versions never mix.
    """
    if account is None or account.runs(str(program), "--version"):
        return program
    stat = program.stat()
    # The path is no part of the name: two checkouts share a copy. Size and time stand for 30 MB of content.
    name = places.short_hash(f"{program.name} {stat.st_size} {stat.st_mtime_ns} {[f.name for f in folders]}")
    target = places.outside(f"runtime-{name}")
    inside = program.relative_to(folders[0].parent)
    if not account.runs(str(target / inside), "--version"):
        _copy(folders, target)
    if not account.runs(str(target / inside), "--version"):
        raise Stop(f"User {account.name} can run {program.name} neither in {folders[0]} nor in {target}", _ELSEWHERE)
    return target / inside


def _copy(folders: list[Path], target: Path) -> None:
    """A copy that was interrupted does not run, so it is made anew by the next start; modes and links are kept."""
    for folder in folders:
        beside = target / f"{folder.name}.{os.getpid()}"
        shutil.copytree(folder, beside, symlinks=True, ignore=shutil.ignore_patterns("__pycache__"))
        _open_to_read(beside)
        shutil.rmtree(target / folder.name, ignore_errors=True)
        beside.rename(target / folder.name)


def _open_to_read(folder: Path) -> None:
    """Our copy only: readable for everybody, whatever umask pip ran under."""
    folder.chmod(0o755)
    for path in folder.rglob("*"):
        if not path.is_symlink():
            path.chmod(0o755 if path.is_dir() or path.stat().st_mode & 0o111 else 0o644)


def data_folder(wanted: Path, account: Account | None) -> Path:
    """Where the server's data lie: `wanted`, or a folder outside where `account` may not pass through to it.

    0700 again at each start: PostgreSQL refuses data that others may read, and copying tools change modes.
    """
    places.folder(wanted.parent)
    if account is not None and not account.enters(wanted.parent):
        wanted = places.outside(outside_name(wanted.parent)) / wanted.name
    wanted.mkdir(mode=0o700, exist_ok=True)
    if account is not None:
        account.own(wanted)
    wanted.chmod(0o700)
    return wanted


def outside_name(where: Path) -> str:
    """Of the folder outside (places.outside) for the data that belong in `where`."""
    return f"data-{places.short_hash(str(where.resolve()))}"
