"""bin/erp: a real Tryton from nothing, and again."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import time
import urllib.error
import urllib.request
from pathlib import Path

import pytest

from q2c.local import places
from q2c.local.stop import Stop
from q2c.local.tryton import environment


def erp(*arguments: str, **env: str) -> subprocess.Popen[str]:
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("DATABASE_", "REDIS_"))}
    return subprocess.Popen(
        [sys.executable, "-m", "q2c.local", "erp", *arguments], cwd=places.ROOT, env={**kept, **env}, text=True,
        stdout=subprocess.PIPE, stderr=subprocess.STDOUT, start_new_session=True,
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.default_int_handler),  # noqa: PLW1509
    )  # fmt: skip


def test_what_cannot_be_is_said_in_a_line() -> None:
    other = erp("tryton", DATABASE_URL="postgresql://u:p@127.0.0.1:1/x")
    said, _ = other.communicate(timeout=30)
    assert other.returncode == 1
    assert said.splitlines() == [
        "q2c: bin/erp makes databases, which DATABASE_URL may not allow. Start it without DATABASE_URL."
    ]
    unknown = erp("abacus")
    said, _ = unknown.communicate(timeout=30)
    assert unknown.returncode == 2 and "abacus" in said and "Traceback" not in said


def until_ready(process: subprocess.Popen[str], within_s: float) -> str:
    said, began = "", time.monotonic()
    assert process.stdout is not None
    while "Ctrl-C stops it" not in said:
        line = process.stdout.readline()
        assert line and time.monotonic() - began < within_s, said
        said += line
    return said


def status(url: str) -> int:
    try:
        with urllib.request.urlopen(url, timeout=10) as answer:
            return int(answer.status)
    except urllib.error.HTTPError as error:
        return error.code


def test_it_starts_from_nothing_and_again_and_ends_with_ctrl_c(open_folder: Path) -> None:
    try:
        environment().make()
    except Stop as stop:
        pytest.skip(f"no Tryton here: {stop}")
    (open_folder / "erp").mkdir()
    (open_folder / "erp" / "tryton").symlink_to(environment().folder)
    for within_s in (240, 30):
        process = erp("tryton", Q2C_LOCAL=str(open_folder))
        said = until_ready(process, within_s)
        ready = re.search(
            r"Ready: (http://127\.0\.0\.1:\d+/tryton) +sign in with a Tryton client as greta, \S{20,}", said
        )
        assert ready, said
        # It is there: it takes no GET, and no key but its own.
        assert status(f"{ready[1]}/") == 405
        assert status(f"{ready[1]}/rest/model/party.party") == 401
        second = erp("tryton", Q2C_LOCAL=str(open_folder))
        refused, _ = second.communicate(timeout=40)
        assert second.returncode == 1 and "An ERP already runs at" in refused
        process.send_signal(signal.SIGINT)
        process.wait(30)
        with pytest.raises(urllib.error.URLError):
            urllib.request.urlopen(f"{ready[1]}/", timeout=5)
