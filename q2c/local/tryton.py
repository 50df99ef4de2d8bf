"""A real Tryton on our PostgreSQL: installed from the index, its database made with companies, served.

It is somebody else's program (GPL-3.0-or-later) in a virtual environment of its own; what talks to it inside its
process stands in companion/. A second database, left as it was made, is the template that tests go back to.
"""

from __future__ import annotations

import hashlib
import json
import os
import secrets
import shutil
import signal
import subprocess
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from q2c.local import children, places, ports
from q2c.local.guard import Guard
from q2c.local.postgres import Postgres
from q2c.local.progress import Step
from q2c.local.sandboxes import status
from q2c.local.stop import Stop
from q2c.local.venv import Venv

REQUIREMENTS = "requirements-tryton.txt"
ROLE = "tryton"
BLANK, TEMPLATE, DATABASE = "tryton_blank", "tryton_template", "tryton"
# As DATABASE, with the module that keeps our keys apart.
REFERENCED = "tryton_reference"
MODULES = ("account", "analytic_account", "account_invoice", "analytic_invoice")
COMPANION = places.ROOT / "companion"
SET_UP = COMPANION / "tryton_company"
MODULE = COMPANION / "tryton_q2c_reference" / "q2c_reference"
START_S_MAX = 60


def environment() -> Venv:
    return Venv((REQUIREMENTS,), folder=places.folder(places.LOCAL / "erp") / "tryton")


class Tryton(children.Served):
    """In the order of use: install, make, begin and wait (or start), stop. `where` keeps its configuration and key."""

    def __init__(
        self, where: Path, logs: Path, *, guard: Guard, ports: ports.Ports, postgres: Postgres,
    ) -> None:  # fmt: skip
        self.where = places.folder(where / "tryton")
        self.log = places.log_file(logs, "tryton")
        self.guard, self.postgres = guard, postgres
        self.venv = environment()
        self.port = ports.keep("tryton", ports.choose("tryton"))
        self.config = self.where / "trytond.conf"
        self.secrets = self._secrets()

    def url(self, database: str = DATABASE) -> str:
        """The address of a database: connections add nothing to it."""
        return f"http://{ports.HOST}:{self.port}/{database}"

    def install(self, step: Step | None = None) -> str:
        return self.venv.make(step)

    def made(self) -> dict[str, Any]:
        """{"key", "companies", …} of the database that is there; empty where none is."""
        return places.read_json(self.where / "made.json")

    def make(self, company: Mapping[str, Any], doing: Callable[[str], None] = lambda _: None) -> dict[str, Any]:
        """The database with the companies described (companion/tryton_company); kept while both stay so."""
        self._write_config()
        described = {**company, "person": {**company["person"], "password": self.secrets["person"]}}
        described["connector"] = {"login": "q2c", "password": self.secrets["connector"]}
        text = json.dumps(described, sort_keys=True)
        made_of = [places.ROOT / REQUIREMENTS, *sorted(SET_UP.glob("*.py")), *sorted(MODULE.iterdir())]
        files = b"".join(path.read_bytes() for path in made_of if path.is_file())
        mark = hashlib.sha256(text.encode() + files).hexdigest()
        if self.made().get("of") == mark:
            return self.made()
        places.remove(self.where / "made.json")
        doing("an empty database")
        self._database(BLANK)
        self._administer("--all", "--email", "admin@example.com", database=BLANK)
        doing("its modules")
        self._administer("-u", *MODULES, "--activate-dependencies", database=BLANK)
        doing("companies and their books")
        self._database(TEMPLATE, BLANK)
        said = self._run([str(SET_UP / "setup.py"), TEMPLATE, str(self.config)], stdin=text)
        doing("the module that keeps references apart")
        self._add_module()
        self._database(REFERENCED, TEMPLATE)
        self._administer("-u", MODULE.name, database=REFERENCED)
        self._database(DATABASE, TEMPLATE)
        made = {**json.loads(said), "of": mark, "person": described["person"], "connector": described["connector"]}
        places.write_json(self.where / "made.json", made, mode=0o600)
        return made

    def reset(self) -> None:
        """As it was made; in about a second. To be called while it is stopped."""
        self._database(DATABASE, TEMPLATE)

    def begin(self) -> None:
        program = str(self.venv.folder / "bin" / "trytond")
        command = [program, "-c", str(self.config), "-d", DATABASE, "-d", REFERENCED]
        self.child = children.start(
            "tryton", command, guard=self.guard, env=self._env(), log=self.log, cwd=self.where, ask=signal.SIGINT
        )

    def wait(self) -> None:
        deadline = time.monotonic() + START_S_MAX
        # It answers a GET with 405: it is there.
        while not status(f"{self.url()}/"):
            if not self.runs() or time.monotonic() > deadline:
                raise Stop(f"Tryton does not start: {places.last_line(self.log)}", f"Look into {self.log}")
            time.sleep(0.1)

    def start(self) -> str:
        self.begin()
        self.wait()
        return self.url()

    def _secrets(self) -> dict[str, str]:
        file = self.where / "secrets.json"
        kept = {name: value for name, value in places.read_json(file).items() if isinstance(value, str)}
        wanted = {name: secrets.token_urlsafe(18) for name in ("role", "admin", "person", "connector")}
        if wanted.keys() - kept.keys():
            kept = {**wanted, **kept}
            places.write_json(file, dict(kept), mode=0o600)
        return kept

    def _write_config(self) -> None:
        self.config.touch(mode=0o600)
        self.config.write_text(
            f"[database]\nuri = postgresql://{ROLE}:{self.secrets['role']}@{ports.HOST}:{self.postgres.port}/\n"
            f"[web]\nlisten = {ports.HOST}:{self.port}\n"
        )
        file = self.where / "admin-password"
        file.touch(mode=0o600)
        file.write_text(self.secrets["admin"])

    def _env(self) -> dict[str, str]:
        return {**os.environ, "TRYTONPASSFILE": str(self.where / "admin-password"), "PYTHONUNBUFFERED": "1"}

    def _add_module(self) -> None:
        """As pip would put it there, without building it."""
        (modules,) = self.venv.folder.glob("lib/python*/site-packages/trytond/modules")
        places.remove(modules / MODULE.name)
        shutil.copytree(MODULE, modules / MODULE.name)

    def _database(self, name: str, template: str = "") -> None:
        self._run(
            [str(SET_UP / "database.py"), self.postgres.url("superuser"), ROLE, self.secrets["role"], name]
            + ([template] if template else [])
        )

    def _administer(self, *arguments: str, database: str) -> None:
        program = str(self.venv.folder / "bin" / "trytond-admin")
        self._run([program, "-c", str(self.config), "-d", database, *arguments])

    def _run(self, arguments: list[str], stdin: str = "") -> str:
        """One of its programs to the end, which comes with ours. Returns what it printed."""
        with self.log.open("ab") as log:
            process = subprocess.Popen(
                children.tethered([str(self.venv.python), *arguments]), cwd=self.where, env=self._env(),
                stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=log, text=True, start_new_session=True,
            )  # fmt: skip
            self.guard.started(process.pid, signal.SIGTERM)
            try:
                said, _ = process.communicate(stdin)
            finally:
                process.kill()
                process.wait()
                self.guard.ended(process.pid)
        if process.returncode:
            raise Stop(f"{Path(arguments[0]).name} failed: {places.last_line(self.log)}", f"Look into {self.log}")
        return said
