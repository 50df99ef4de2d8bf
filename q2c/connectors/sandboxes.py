"""All sandboxes in one server: gunicorn -k gthread --threads 32 q2c.connectors.sandboxes:app

Each vendor stands under /<vendor>; its control addresses under /<vendor>/_control/. What is sent to /_control/ goes to
all of them: one call moves every clock. /vendors lists them.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from importlib import import_module
from importlib.util import find_spec
from typing import Any

from q2c.connectors.registry import CONNECTORS
from q2c.connectors.sandbox_kit import Request, control
from q2c.connectors.sandbox_kit.app import Sandbox, StartResponse
from q2c.connectors.sandbox_kit.store import pool


def _load() -> dict[str, Sandbox]:
    """The sandbox of each vendor in the registry that has one."""
    found = {}
    for vendor in CONNECTORS:
        name = f"q2c.connectors.{vendor}.sandbox"
        if find_spec(name.removesuffix(".sandbox")) is None or find_spec(name) is None:
            continue
        sandbox = getattr(import_module(name), "sandbox", None)
        if isinstance(sandbox, Sandbox):
            sandbox.start()
            found[vendor] = sandbox
    return found


SANDBOXES = _load()


def app(environ: dict[str, Any], start_response: StartResponse) -> Iterable[bytes]:
    """Mount by the first path segment."""
    path = environ.get("PATH_INFO", "/")
    if path == "/healthz":
        with pool().connection() as connection:
            connection.execute("SELECT 1")
        start_response("200 OK", [("Content-Type", "text/plain")])
        return [b"ok"]
    if path == "/vendors":
        start_response("200 OK", [("Content-Type", "application/json")])
        listed = [(name, each.title) for name, each in SANDBOXES.items() if each.is_there()]
        return [json.dumps([{"vendor": name, "title": title} for name, title in listed]).encode()]
    if path.startswith("/_control/"):
        return _all(environ, start_response)
    _, _, rest = path.partition("/")
    vendor, _, below = rest.partition("/")
    if vendor not in SANDBOXES:
        start_response("404 Not Found", [("Content-Type", "text/plain")])
        return [f"sandboxes: {', '.join(SANDBOXES)}".encode()]
    environ["SCRIPT_NAME"] = f"{environ.get('SCRIPT_NAME', '')}/{vendor}"
    environ["PATH_INFO"] = "/" + below
    return SANDBOXES[vendor](environ, start_response)


def _all(environ: dict[str, Any], start_response: StartResponse) -> Iterable[bytes]:
    """One control request to every sandbox; answered with the worst of their answers."""
    request = Request.of(environ)
    worst = max((control.answer(sandbox, request) for sandbox in SANDBOXES.values()), key=lambda answer: answer.status)
    start_response(f"{worst.status} Answer", [("Content-Type", worst.content_type())])
    return [worst.payload()]
