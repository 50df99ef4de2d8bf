"""Signed pushes: what holds, what does not, and the org's own push to a real address."""

from __future__ import annotations

import base64
import datetime as dt
import json
import threading
import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest
from standardwebhooks import Webhook

from q2c.connectors.salesforce import webhook
from q2c.connectors.salesforce.webhook import PushRefused, verify
from tests.connectors.salesforce.orgs import deal

SECRET = "whsec_" + base64.b64encode(b"a secret of thirty-two bytes !!!").decode()
OTHER = "whsec_" + base64.b64encode(b"another one of thirty-two bytes!").decode()
SHORT, LONG = "0065g00000AbCdE", webhook.long_id("0065g00000AbCdE")
BODY = json.dumps({"opportunityId": SHORT}).encode()


def signed(body: bytes, *, secret: str = SECRET, age_s: float = 0, message: str = "msg_1") -> dict[str, str]:
    at = dt.datetime.now(dt.UTC) - dt.timedelta(seconds=age_s)
    return {
        "Webhook-Id": message,
        "Webhook-Timestamp": str(int(at.timestamp())),
        "Webhook-Signature": Webhook(secret).sign(message, at, body.decode()),
    }


@pytest.mark.parametrize(
    ("content", "ids"),
    [
        ({"opportunityId": SHORT}, [LONG]),
        ({"data": {"opportunityId": LONG}, "type": "opportunity.won"}, [LONG]),
        ({"opportunityIds": [SHORT, LONG, "0065g00000AbCdF"]}, [LONG, webhook.long_id("0065g00000AbCdF")]),
    ],
)
def test_good(content, ids):
    body = json.dumps(content).encode()
    assert verify(signed(body), body, SECRET) == ids


def test_two_secrets_hold_while_one_is_changed():
    for secret in (SECRET, OTHER):
        assert verify(signed(BODY, secret=secret), BODY, f"{SECRET} {OTHER}") == [LONG]


# Signed when the test runs: a signature is good for minutes only.
REFUSED = {
    "tampered body": lambda: (signed(BODY), BODY.replace(b"AbCdE", b"AbCdF"), SECRET),
    "tampered id": lambda: ({**signed(BODY), "Webhook-Id": "msg_2"}, BODY, SECRET),
    "other secret": lambda: (signed(BODY, secret=OTHER), BODY, SECRET),
    "old": lambda: (signed(BODY, age_s=400), BODY, SECRET),
    "from the future": lambda: (signed(BODY, age_s=-400), BODY, SECRET),
    "no signature": lambda: ({}, BODY, SECRET),
    "another scheme": lambda: ({**signed(BODY), "Webhook-Signature": "v2,AAAA"}, BODY, SECRET),
    "no secret": lambda: (signed(BODY), BODY, ""),
    "not text": lambda: ({**signed(BODY)}, b"\xff\xfe", SECRET),
}


@pytest.mark.parametrize("case", REFUSED)
def test_signature_refused(case):
    headers, body, secret = REFUSED[case]()
    with pytest.raises(PushRefused, match="signature"):
        verify(headers, body, secret)


@pytest.mark.parametrize(
    "body",
    [b"", b"[]", b"not json", b"[" * 30_000, b'{"a":' * 10_000, b'{"opportunityId": "0065g00000AbCdE\\n"}', b'{"opportunityId": "0015g00000AbCdE"}', b'{"opportunityId": 6}', b"{}",
     b'{"opportunityIds": "006"}', b'{"opportunityIds": ["0065g00000AbCdE", "x"]}',
     json.dumps({"opportunityIds": [f"0065g00000{i:05}" for i in range(201)]}).encode()],
)  # fmt: skip
def test_signed_but_names_no_opportunity(body):
    """Told as what it is: the signature holds."""
    with pytest.raises(PushRefused) as refused:
        verify(signed(body), body, SECRET)
    assert refused.value.status == 400 and "opportunityId" in refused.value.remedy


def test_an_empty_secret_signs_nothing_and_breaks_nothing():
    with pytest.raises(PushRefused, match="signature"):
        verify(signed(BODY), BODY, "whsec_")
    assert verify(signed(BODY), BODY, f"whsec_ {SECRET}")


# The org's own push


class Listener(ThreadingHTTPServer):
    """Notes every push; answers with the next of `answers`, then 204."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Noted)
        self.heard: list[tuple[dict[str, str], bytes]] = []
        self.answers: list[int] = []

    def wait(self, count: int) -> list[tuple[dict[str, str], bytes]]:
        deadline = time.monotonic() + 15
        while len(self.heard) < count and time.monotonic() < deadline:
            time.sleep(0.02)
        assert len(self.heard) == count
        return self.heard


class _Noted(BaseHTTPRequestHandler):
    server: Listener

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        self.server.heard.append((dict(self.headers), body))
        self.send_response(self.server.answers.pop(0) if self.server.answers else 204)
        self.end_headers()

    def log_message(self, *args: Any) -> None:
        pass


@pytest.fixture
def listener() -> Iterator[Listener]:
    server = Listener()
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
    thread.start()
    yield server
    server.shutdown()
    server.server_close()
    thread.join()


def test_a_deal_that_is_won_is_pushed_and_can_be_read(org, salesforce, listener):
    target = {"url": f"http://127.0.0.1:{listener.server_port}/hooks", "secret": SECRET}
    org.seed(webhook=target, opportunities=[deal("SO-1", StageName="Negotiation")])
    org.do("close-won", order_number="SO-1")
    ((headers, body),) = listener.wait(1)
    (source_id,) = verify(headers, body, SECRET)
    found = salesforce.deal(source_id)
    assert found.document.order_number == "SO-1"


def test_a_push_that_is_refused_comes_again_under_the_same_id(org, listener):
    listener.answers = [500, 503]
    target = {"url": f"http://127.0.0.1:{listener.server_port}", "secret": SECRET}
    org.seed(webhook=target, opportunities=[deal("SO-1")], push=True)
    heard = listener.wait(3)
    assert len({headers["webhook-id"] for headers, _ in heard}) == 1
    for headers, body in heard:
        assert len(verify(headers, body, SECRET)) == 1
