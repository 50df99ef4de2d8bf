"""Clients that are not ours and do not fit beside our packages: in a virtual environment of their own, for tests.

Those that fit are development requirements like any other. Zuora's own client wants an older urllib3, so tests run it
as a program, with the Python that Q2C_REFEREE_PYTHON names; without one they skip visibly.
"""

from __future__ import annotations

from collections.abc import MutableMapping

from q2c.local import places
from q2c.local.progress import Progress
from q2c.local.stop import Stop
from q2c.local.venv import Venv

VARIABLE = "Q2C_REFEREE_PYTHON"
REQUIREMENTS = "requirements-referees.txt"


def environment() -> Venv:
    # Inside .venv, so that it goes when that goes.
    return Venv((REQUIREMENTS,), folder=places.VENV / "referees")


def install(progress: Progress) -> None:
    """Makes it where it is missing. Raises Stop where that fails, as without a package index."""
    referees = environment()
    if not referees.ready():
        with progress.step("Referees into .venv/referees") as step:
            step.detail = referees.make(step)


def name_it(variables: MutableMapping[str, str]) -> None:
    """Sets Q2C_REFEREE_PYTHON, where it is there and not set yet."""
    if VARIABLE not in variables and environment().ready():
        variables[VARIABLE] = str(environment().python)


def installed(progress: Progress, variables: MutableMapping[str, str]) -> str:
    """For bin/test: why there are none, in one line, or nothing."""
    try:
        install(progress)
    except Stop as stop:
        return f"tests whose client needs {environment().folder} skip: {stop}"
    name_it(variables)
    return ""
