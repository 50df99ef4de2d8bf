"""Callouts: what holds, what does not, and the tenant's own callouts to a real address."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import threading
import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest

from q2c.connectors.zuora.webhook import CalloutRefused, verify
from tests.connectors.zuora.tenant import Tenant, provisioned, subscription

BASIC = {"callout_username": "zuora", "callout_password": "a pass:word"}
SIGNED = {"callout_hmac_secret": "first-secret"}
BODY = json.dumps({"EventType": "InvoicePosted", "InvoiceNumber": "INV00000001", "InvoiceId": "8a" * 16}).encode()


def basic(user: str = "zuora", password: str = "a pass:word") -> dict[str, str]:
    return {"Authorization": f"Basic {base64.b64encode(f'{user}:{password}'.encode()).decode()}"}


def signature(body: bytes = BODY, secret: str = "first-secret", algorithm: str = "sha256") -> bytes:
    return hmac.new(secret.encode(), body, getattr(hashlib, algorithm)).digest()


def header(body: bytes = BODY, secret: str = "first-secret") -> dict[str, str]:
    return {"X-Zuora-Signature": base64.b64encode(signature(body, secret)).decode()}


GOOD = {
    "basic": (basic(), BASIC),
    "signature": (header(), SIGNED),
    "both": ({**basic(), **header()}, {**BASIC, **SIGNED}),
    "the new secret while it is changed": (header(secret="second"), {"callout_hmac_secret": "first-secret second"}),
    "the old secret while it is changed": (header(), {"callout_hmac_secret": "first-secret second"}),
    "another header, algorithm and encoding": (
        {"X-Sig": signature(algorithm="sha512").hex().upper()},
        {**SIGNED, "callout_hmac_header": "X-Sig", "callout_hmac_algorithm": "SHA-512", "callout_hmac_encoding": "hex"},
    ),
}


@pytest.mark.parametrize("name", GOOD)
def test_good(name: str) -> None:
    headers, secrets = GOOD[name]
    found = verify({**headers, "Zuora-Notification-Id": "n-1", "Content-Type": "application/json"}, BODY, secrets)
    assert (found.reference, found.event, found.notification_id) == ("8a" * 16, "InvoicePosted", "n-1")


REFUSED = {
    "no credentials configured": (basic(), BODY, {}, 403),
    "no credentials sent": ({}, BODY, BASIC, 401),
    "wrong password": (basic(password="guess"), BODY, BASIC, 401),
    "wrong user": (basic(user="root"), BODY, BASIC, 401),
    "not base64": ({"Authorization": "Basic §§§"}, BODY, BASIC, 401),
    "another scheme": ({"Authorization": "Bearer abc"}, BODY, BASIC, 401),
    "no signature": ({}, BODY, SIGNED, 401),
    "tampered body": (header(), BODY.replace(b"00000001", b"00000002"), SIGNED, 401),
    "other secret": (header(secret="guess"), BODY, SIGNED, 401),
    "signature that is no text": ({"X-Zuora-Signature": "\udcff"}, BODY, SIGNED, 401),
    "good password, no signature": (basic(), BODY, {**BASIC, **SIGNED}, 401),
    "good signature, no password": (header(), BODY, {**BASIC, **SIGNED}, 401),
    "unknown algorithm": (header(), BODY, {**SIGNED, "callout_hmac_algorithm": "md5"}, 403),
    "not JSON": (basic(), b"<x/>", BASIC, 400),
    "no object": (basic(), b"[1]", BASIC, 400),
    "not UTF-8": (basic(), b"\xff\xfe", BASIC, 400),
    "nested beyond reason": (basic(), b"[" * 60_000, BASIC, 400),
    "no invoice": (basic(), b'{"AccountNumber": "A1"}', BASIC, 400),
    "a path as an invoice": (basic(), b'{"InvoiceId": "../v1/accounts/A1"}', BASIC, 400),
    "too large": (basic(), b" " * 70_000, BASIC, 413),
}


@pytest.mark.parametrize("name", REFUSED)
def test_refused(name: str) -> None:
    headers, body, secrets, status = REFUSED[name]
    with pytest.raises(CalloutRefused) as refusal:
        verify(headers, body, secrets)
    assert refusal.value.status == status
    # Who sends no good password is asked for one; who signs wrongly is not told how.
    asks = status == 401 and "callout_password" in secrets and name != "good password, no signature"
    assert ("WWW-Authenticate" in refusal.value.headers) == asks


def test_a_replayed_callout_is_known_by_its_notification_and_names_nothing_but_an_invoice() -> None:
    first, again = (verify({**basic(), "Zuora-Notification-Id": "n-1"}, BODY, BASIC) for _ in range(2))
    assert first == again
    without_id = {verify(basic(), BODY, BASIC).notification_id for _ in range(2)}
    assert len(without_id) == 1


@pytest.mark.parametrize(
    ("content_type", "body", "reference"),
    [
        ("application/json", b'{"Invoice Number": "INV00000007"}', "INV00000007"),
        ("application/json", b'{"<Invoice.InvoiceNumber>": "INV00000007"}', "INV00000007"),
        ("application/x-www-form-urlencoded", b"InvoiceNumber=INV00000007&AccountNumber=A1", "INV00000007"),
    ],
)
def test_the_names_and_forms_that_templates_give(content_type: str, body: bytes, reference: str) -> None:
    assert verify({**basic(), "Content-Type": content_type}, body, BASIC).reference == reference


class Receiver:
    """A web address that verifies as the application will, and can fail first."""

    def __init__(self, secrets: dict[str, str], fail_first: int = 0) -> None:
        self.secrets, self.fail_first = secrets, fail_first
        self.seen: list[tuple[int, str, str]] = []
        receiver = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["Content-Length"]))
                status, extra, reference = receiver.answer(dict(self.headers), body)
                receiver.seen.append((status, self.headers["Zuora-Notification-Id"], reference))
                self.send_response(status)
                for name, value in extra.items():
                    self.send_header(name, value)
                self.send_header("Content-Length", "0")
                self.end_headers()

            def log_message(self, *args: Any) -> None:
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        threading.Thread(target=self.server.serve_forever, daemon=True).start()
        self.url = f"http://127.0.0.1:{self.server.server_port}/callouts/zuora"

    def answer(self, headers: dict[str, str], body: bytes) -> tuple[int, dict[str, str], str]:
        try:
            found = verify(headers, body, self.secrets)
        except CalloutRefused as refused:
            return refused.status, refused.headers, ""
        if self.fail_first:
            self.fail_first -= 1
            return 503, {}, found.reference
        return 200, {}, found.reference

    def wait(self, count: int) -> list[tuple[int, str, str]]:
        deadline = time.monotonic() + 10
        while time.monotonic() < deadline and len(self.seen) < count:
            time.sleep(0.02)
        return self.seen


@pytest.fixture
def receiver() -> Iterator[type[Receiver]]:
    made: list[Receiver] = []

    class Kept(Receiver):
        def __init__(self, *args: Any, **more: Any) -> None:
            super().__init__(*args, **more)
            made.append(self)

    yield Kept
    for each in made:
        each.server.shutdown()
        each.server.server_close()


def calls_out(tenant: Tenant, receiver: Any) -> None:
    target = receiver(BASIC)
    tenant.control.seed(callout={"url": target.url, "username": "zuora", "password": "a pass:word"})
    tenant.control.clock("2026-01-01T01:00:00Z")
    client = tenant.client()
    provisioned(client, subscription())
    assert tenant.run("2026-01-01")["invoices"] == 1
    challenged, taken = target.wait(2)
    assert (challenged[0], taken[0]) == (401, 200) and challenged[1] == taken[1]
    assert client.invoice(taken[2]).total_minor == 119_000


def test_a_posted_invoice_calls_out_and_sends_its_password_when_asked(tenant: Tenant, receiver: Any) -> None:
    calls_out(tenant, receiver)


def test_what_a_reset_takes_away_keeps_no_later_callout_waiting(tenant: Tenant, receiver: Any) -> None:
    tenant.control.seed(callout={"url": "http://127.0.0.1:1/"})
    tenant.control.clock("2026-01-01T01:00:00Z")
    provisioned(tenant.client(), subscription())
    numbers = tenant.run("2026-01-01")["invoiceNumbers"]
    tenant.control.do("callout", numbers=numbers * 20)
    calls_out(Tenant(), receiver)


def test_a_callout_that_fails_comes_again_under_its_id(tenant: Tenant, receiver: Any) -> None:
    target = receiver({**SIGNED}, fail_first=1)
    tenant.control.seed(callout={"url": target.url, "hmac_secret": "first-secret", "retry_s": 0.05})
    tenant.control.clock("2026-01-01T01:00:00Z")
    provisioned(tenant.client(), subscription())
    numbers = tenant.run("2026-01-01")["invoiceNumbers"]
    first, second = target.wait(2)
    assert (first[0], second[0]) == (503, 200) and first[1:] == second[1:]
    tenant.control.do("callout", numbers=numbers)
    third = target.wait(3)[2]
    assert third[2] == second[2] and third[1] != second[1]
