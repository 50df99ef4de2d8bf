"""The browser for browser tests: found on the machine, never downloaded by us."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import MutableMapping

VARIABLE = "Q2C_CHROMIUM"
_NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")


def found() -> str | None:
    return next((path for name in _NAMES if (path := shutil.which(name))), None)


def name_it(environment: MutableMapping[str, str]) -> str | None:
    """Sets Q2C_CHROMIUM to the browser, where there is one and it is not set yet."""
    if VARIABLE not in environment and (path := found()):
        environment[VARIABLE] = path
    return environment.get(VARIABLE)


def install_in_ci() -> None:
    """On a CI machine that is ours alone (root, Debian) the browser tests shall run. Without it they skip visibly."""
    if found() or os.environ.get(VARIABLE) or os.environ.get("CI") != "true":
        return
    if os.getuid() != 0 or not shutil.which("apt-get"):
        return
    env = {**os.environ, "DEBIAN_FRONTEND": "noninteractive"}
    install = ["apt-get", "install", "-qq", "-y", "--no-install-recommends", "chromium"]
    for command in (["apt-get", "update", "-qq"], install):
        try:
            subprocess.run(
                command, env=env, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
                timeout=600, check=False,
            )  # fmt: skip
        except (OSError, subprocess.TimeoutExpired):
            return
