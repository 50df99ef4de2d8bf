"""Whatever goes wrong below /api/, and however early: problem details, never a page."""

from __future__ import annotations

from typing import Any

import pytest
from django.test import Client

from q2c.ui import errors

pytestmark = pytest.mark.django_db


@pytest.mark.parametrize(
    ("method", "path", "headers", "status", "code"),
    [
        ("POST", "/api/v1/nope", {}, 404, "no-such-address"),
        ("PUT", "/api/v1/nope", {}, 404, "no-such-address"),
        ("GET", "/api/v1/nope", {}, 404, "no-such-address"),
        ("POST", "/api/v1/webhooks/a%00b", {}, 404, "no-such-address"),
        ("POST", "/api/v1/events", {"Host": "evil.example"}, 400, "host"),
        ("GET", "/api/v1/orders", {"Host": "evil.example"}, 400, "host"),
        ("POST", "/api/v1/openapi.json", {}, 401, "not-authenticated"),
        ("POST", "/api/elsewhere", {}, 404, "not-found"),
    ],
)
def test_problem_details(method: str, path: str, headers: dict[str, str], status: int, code: str) -> None:
    client = Client(enforce_csrf_checks=True, raise_request_exception=False)
    answer = client.generic(method, path, b"{}", "application/json", headers=headers)
    assert (answer.status_code, answer.headers["Content-Type"]) == (status, "application/problem+json")
    found = answer.json()
    assert (found["type"], found["status"]) == (f"urn:q2c:problem:{code}", status)
    assert found["instance"] and found["detail"]


@pytest.mark.parametrize("path", ["/api/v1/orders", "/orders"])
def test_what_breaks_before_a_view_has_it(rf: Any, path: str) -> None:
    try:
        raise RuntimeError("a middleware broke")
    except RuntimeError:
        answer = errors.failed(rf.get(path))
    assert answer.status_code == 500
    assert (b"urn:q2c:problem:internal-error" in answer.content) is path.startswith("/api/")
    assert b"a middleware broke" not in answer.content


def test_a_view_that_was_not_freed_of_forms(rf: Any) -> None:
    answer = errors.csrf_failed(rf.post("/api/v1/orders"), reason="no cookie")
    assert answer.status_code == 403 and b"Send an API key" in answer.content and b"urn:q2c:problem" in answer.content


def test_pages_stay_pages() -> None:
    client = Client(enforce_csrf_checks=True, raise_request_exception=False)
    for answer, status in (
        (client.get("/sign-in", headers={"Host": "evil.example"}), 400),
        (client.post("/sign-in", {"username": "ann"}), 403),
        (client.get("/nowhere"), 404),
    ):
        assert (answer.status_code, answer.headers["Content-Type"].partition(";")[0]) == (status, "text/html")
