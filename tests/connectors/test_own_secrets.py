"""Whatever goes wrong on the way, no connection's own secret is told, however short it is or however it was typed."""

from __future__ import annotations

import pytest

from q2c.connectors.calls import recording
from q2c.connectors.http import Http, NotSent
from q2c.connectors.ports import ConnectionConfig
from q2c.connectors.registry import CONNECTORS
from q2c.engine import mended

TYPED = ["s3cr3t-first\n", "s3cr3t-first\ns3cr3t-second", "s3cr3t\u2026first\n", "it's s3cr3t\n", "s3c\n"]
SECRET_NAMES = (
    "api_key", "key", "license_key", "consumer_secret", "token_secret", "client_secret", "consumer_key", "private_key",
)  # fmt: skip


def config(secret: str, vendor: str = "credit") -> ConnectionConfig:
    """Where nobody answers."""
    who = {"account_id": "1", "username": "u", "client_id": "c", "token_id": "t", "certificate_id": "x"}
    return ConnectionConfig(
        name="mine", vendor=vendor, base_url="http://127.0.0.1:9", credentials=who | dict.fromkeys(SECRET_NAMES, secret),
        options={"account": "1", "database": "d"}, time_limit_s=1,
    )  # fmt: skip


@pytest.mark.parametrize("secret", TYPED)
@pytest.mark.parametrize("vendor", sorted(CONNECTORS))
def test_what_is_said_of_a_trial_tells_no_secret(vendor: str, secret: str, caplog: pytest.LogCaptureFixture) -> None:
    answer = mended.said(config(secret, vendor))
    assert answer is not None
    assert "s3c" not in answer.text and "s3c" not in caplog.text


@pytest.mark.parametrize("secret", TYPED)
def test_a_header_that_cannot_be_sent_is_told_without_what_it_holds(secret: str) -> None:
    with pytest.raises(NotSent, match="redacted") as told:
        Http(config(secret)).send("GET", "/", headers={"X-Any": f"Bearer {secret}"})
    assert "s3c" not in str(told.value) and "second" not in str(told.value)


def test_an_address_that_holds_a_secret_is_told_without_it() -> None:
    one = Http(config("s3cr3t"))
    with pytest.raises(NotSent) as told:
        one.send("GET", "http://s3cr3t.test/s3cr3t")
    with recording() as attempts, pytest.raises(NotSent) as away:
        one.send("GET", "/s3cr3t")
    assert "s3cr3t" not in f"{told.value} {away.value} {attempts}"
