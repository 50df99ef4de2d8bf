"""A small group in the sandbox account: three subsidiaries, their books, and journals to put into them."""

from __future__ import annotations

import datetime as dt
import functools
from typing import Any

from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa

from q2c import keys
from q2c.connectors.netsuite.client import NetSuite
from q2c.connectors.ports import ConnectionConfig
from q2c.contracts.documents import CustomerDocument, JournalDocument, JournalLine
from tests.connectors.control import sandbox_url

ACCOUNT = "1234567_SB1"
TBA = {
    "consumer_key": "ck-1", "consumer_secret": "consumer & secret", "token_id": "tk-1",
    "token_secret": "token/secret=",
}  # fmt: skip


@functools.cache
def keypair(algorithm: str = "ES256") -> tuple[str, str]:
    """(private, public) as PEM; made once per run."""
    key: Any = (
        ec.generate_private_key(ec.SECP256R1())
        if algorithm == "ES256"
        else rsa.generate_private_key(public_exponent=65537, key_size=3072)
    )
    private = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    public = key.public_key().public_bytes(serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo)
    return private.decode(), public.decode()


def group() -> dict[str, Any]:
    return {
        "account": ACCOUNT,
        "tokens": [TBA],
        "certificates": [
            {"certificate_id": f"cert-{name}", "client_id": "client-1", "public_key": keypair(name)[1]}
            for name in ("ES256", "PS256")
        ],
        "currencies": [
            {"symbol": "USD", "name": "US Dollar", "base": True},
            {"symbol": "EUR", "name": "Euro", "exchange_rate": "1.08"},
            {"symbol": "JPY", "name": "Yen", "decimals": 0},
            {"symbol": "KWD", "name": "Kuwaiti Dinar", "decimals": 3},
        ],
        "subsidiaries": [
            {"key": "US", "name": "Tern Systems, Inc.", "currency": "USD"},
            {"key": "DE", "name": "Tern Systems GmbH", "currency": "EUR", "parent": "US", "currencies": ["EUR", "USD"]},
            {"key": "JP", "name": "Tern Systems KK", "currency": "JPY", "parent": "US"},
        ],
        "accounts": [
            {"number": "1100", "name": "Receivables", "type": "AcctRec"},
            {"number": "4000", "name": "Revenue", "type": "Income"},
            {"number": "2100", "name": "Deferred revenue", "type": "DeferRevenue"},
            {"number": "4900", "name": "Old revenue", "type": "Income", "inactive": True},
            {"number": "4700", "name": "Domestic revenue", "type": "Income", "subsidiaries": ["US"]},
        ],
        "departments": [{"key": "CC-100"}, {"key": "CC-410"}, {"key": "CC-900", "inactive": True}],
        "classes": [{"key": "platform"}],
        "locations": [{"key": "EMEA"}],
        "periods": {"first": "2026-01", "last": "2026-12", "closed_through": "2026-02"},
        "items": [{"key": "SKU-1"}],
        "customers": [
            {"key": "C-1", "name": "Acme Group", "subsidiary": "US", "currency": "USD"},
            {"key": "C-100", "name": "Acme Inc", "subsidiary": "US", "currency": "USD", "parent": "C-1"},
        ],
    }


def journal(name: str = "1", *lines: JournalLine, **more: Any) -> JournalDocument:
    """A sale of 1,250.00 in March by the US; other fields as given."""
    fields: dict[str, Any] = {
        "key": keys.idempotency_key("journal", name), "number": f"US-26-{name}", "entity": "US", "currency": "USD",
        "effective_on": dt.date(2026, 3, 15), "period": "2026-03", "memo": f"Sale {name}",
        "lines": lines or sale(125_000),
    }  # fmt: skip
    return JournalDocument(**fields | more)


def sale(minor: int, **dimensions: str) -> tuple[JournalLine, ...]:
    values = {"cost_center": "CC-100", "product_line": "platform"} | dimensions
    return (
        JournalLine(line=1, account="1100", amount_minor=minor, customer="C-100", memo="Receivable"),
        JournalLine(line=2, account="4000", amount_minor=-minor, dimensions=values, memo="Revenue"),
    )


def customer(key: str = "C-200", **more: Any) -> CustomerDocument:
    fields: dict[str, Any] = {
        "key": key, "name": "Globex", "parent": None, "currency": "USD", "legal_entity": "US", "address": None,
        "email": "books@globex.example",
    }  # fmt: skip
    return CustomerDocument(**fields | more)


def config(*, oauth2: str = "", base_url: str = "", time_limit_s: float = 5.0, **options: Any) -> ConnectionConfig:
    """`oauth2` names the algorithm; without it requests are signed by token."""
    credentials = dict(TBA)
    if oauth2:
        credentials = {
            "client_id": "client-1", "certificate_id": f"cert-{oauth2}", "private_key": keypair(oauth2)[0]
        }  # fmt: skip
        options = {"algorithm": oauth2, **options}
    return ConnectionConfig(
        name="erp", vendor="netsuite", base_url=base_url or sandbox_url("netsuite"), credentials=credentials,
        options={"account": ACCOUNT, **options}, time_limit_s=time_limit_s, settle_s=3,
    )  # fmt: skip


def connect(**more: Any) -> NetSuite:
    return NetSuite(config(**more))
