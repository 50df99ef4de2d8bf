"""Becomes another program that gets a signal when its parent dies. Run as a script, it imports nothing of q2c.

    python -I -S tether.py PARENT_PID SIGNAL UID:GID|- COMMAND…

A step of its own and not subprocess's preexec_fn, which may deadlock once the parent has threads.
"""

from __future__ import annotations

import os
import sys

PR_SET_PDEATHSIG = 1


def main(parent: int, signal: int, account: str, command: list[str]) -> None:
    prctl = None
    if sys.platform == "linux":
        # Before setuid: the account may not be able to read our Python.
        import ctypes

        prctl = ctypes.CDLL(None).prctl
    if account != "-":
        uid, gid = (int(part) for part in account.split(":"))
        os.setgroups([])
        os.setgid(gid)
        os.setuid(uid)
    if prctl:
        # After setuid, which clears it. Elsewhere than on Linux the guard alone cleans up.
        prctl(PR_SET_PDEATHSIG, signal)
    if os.getppid() != parent:
        os._exit(1)
    try:
        os.execvp(command[0], command)  # noqa: S606
    except OSError as error:
        print(f"{command[0]}: {error.strerror}", file=sys.stderr)
        os._exit(127)


if __name__ == "__main__":
    main(int(sys.argv[1]), int(sys.argv[2]), sys.argv[3], sys.argv[4:])
