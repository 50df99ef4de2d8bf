"""What of a call may be kept: a table of what goes and what stays, byte for byte."""

from __future__ import annotations

import re

import pytest

from q2c.connectors import redaction

GOES = (
    ("Bearer abcdefghijklmnop1234", "Bearer [redacted]"),
    ('OAuth oauth_token="a1b2"', "OAuth [redacted]"),
    ("https://ann:pw@erp.example/x", "https://[redacted]@erp.example/x"),
    ("-----BEGIN PRIVATE KEY-----\nMIIE", "[redacted]"),
    ("got eyJhbGciOi.eyJzdWIi.c2ln back", "got [redacted] back"),
    ("4111 1111 1111 1111", "[card …1111]"),
    ("to DE89370400440532013000", "to [iban …3000]"),
    ('{"password": "x"}', '{"password": "[redacted]"}'),
    (r"{\"api_key\": \"x\"}", r'{\"api_key\": "[redacted]"}'),
    ("<pin>1234</pin>", "<pin>[redacted]</pin>"),
    ("grant=a&client_secret=zz", "grant=a&client_secret=[redacted]"),
)
STAYS = (
    "", "a", "INV00001773", "SW056000", "basic question", "token", "Session 3", "4111 1111 1111 1112", "2026-11-25T06:10:00",
    "SO-2600293", '{"quantity": "12.50", "sku": "VAULT"}', "a=b", "x < y", "back\\slash", "https://erp.example/x",
)  # fmt: skip


@pytest.mark.parametrize(("given", "kept"), GOES)
def test_a_secret_goes_wherever_it_stands(given: str, kept: str) -> None:
    assert redaction.text(given) == kept
    assert redaction.body(f"said: {given}".encode()) == f"said: {kept}"


@pytest.mark.parametrize("given", STAYS)
def test_what_holds_no_secret_is_kept_as_it_was(given: str) -> None:
    assert redaction.text(given) == given


@pytest.mark.parametrize("name", ["clientSecret", "x-api-key", "Set-Cookie", "accessToken", "IBAN", "oauth_nonce"])
def test_names_of_secrets(name: str) -> None:
    assert redaction.is_secret(name)


@pytest.mark.parametrize("name", ["token_type", "signature_method", "quantity", "sku", "companyCode"])
def test_names_that_are_none(name: str) -> None:
    assert not redaction.is_secret(name)


def test_a_connections_own_secrets_are_kept_under_no_name_at_all() -> None:
    credentials = {
        "key": "S3cret/Value+1",
        "client_id": "q2c-client-1",
        "pin": "1234",
        "copied": " 5678\n",
        "longer": "S3cret/Value+1-and-more",
    }
    values = redaction.values_of(credentials)
    assert values == ("S3cret/Value+1-and-more", "S3cret/Value+1", " 5678\n", "1234", "5678")
    for written in ("X-Taxon: S3cret/Value+1", "a=S3cret%2FValue%2B1&b=2", '{"x": "S3cret/Value+1-and-more"}'):
        kept = redaction.without(written, values)
        assert "S3cret" not in kept and "[redacted]" in kept
    for short in ("key=1234&x=1", "Bearer 5678", repr("Bearer  5678\n")):
        assert not {"1234", "5678"} & set(re.findall(r"\d+", redaction.without(short, values)))
    assert redaction.without("by q2c-client-1, order 12345", values) == "by q2c-client-1, order 12345"
