"""Both ways of signing in, and what is refused; the referee of OAuth 1.0 stands in test_referee.py."""

from __future__ import annotations

import time
from typing import Any

import jwt
import pytest
import requests
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa
from oauthlib.oauth1 import SIGNATURE_HMAC_SHA1, SIGNATURE_HMAC_SHA256
from oauthlib.oauth1 import Client as Signer

from q2c.connectors.calls import recording
from q2c.connectors.netsuite.client import NetSuite
from q2c.connectors.outcomes import Posted, Rejected, Unavailable
from q2c.connectors.ports import ConnectionConfig
from q2c.reasons import Reason
from tests.connectors.control import sandbox_url
from tests.connectors.netsuite import books

PATH = "/services/rest/record/v1/currency/1"
TOKEN = "/services/rest/auth/oauth2/v1/token"
ASSERTION = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"


def signed(url: str = "", **changes: Any) -> requests.Response:
    """A GET by token-based authentication with some of it changed."""
    url = url or sandbox_url("netsuite") + PATH
    given = {
        "client_key": books.TBA["consumer_key"], "client_secret": books.TBA["consumer_secret"],
        "resource_owner_key": books.TBA["token_id"], "resource_owner_secret": books.TBA["token_secret"],
        "signature_method": SIGNATURE_HMAC_SHA256, "realm": books.ACCOUNT,
    } | changes  # fmt: skip
    _, headers, _ = Signer(**given).sign(url)
    return requests.get(url, headers=headers, timeout=10)


@pytest.mark.parametrize(
    ("changes", "status"),
    [
        ({}, 200),
        ({"client_secret": "another"}, 401),
        ({"resource_owner_secret": "another"}, 401),
        ({"client_key": "unknown"}, 401),
        ({"resource_owner_key": "unknown"}, 401),
        ({"signature_method": SIGNATURE_HMAC_SHA1}, 401),
        ({"realm": "9999999"}, 401),
        ({"timestamp": "1577836800"}, 401),  # years ago
    ],
    ids=lambda value: str(value)[:40],
)
def test_a_signature_is_verified(account, changes, status):
    answer = signed(**changes)
    assert answer.status_code == status, answer.text
    if status == 401:
        assert answer.json()["o:errorDetails"][0]["o:errorCode"] == "INVALID_LOGIN"


def test_a_signature_is_good_once(account):
    again = {"nonce": "once", "timestamp": str(int(time.time()))}
    assert [signed(**again).status_code for _ in range(2)] == [200, 401]


@pytest.mark.parametrize(
    "query", ["fields=symbol", "fields=a%20b&x=1%2B1&x=0", "q=%C3%A4&empty="], ids=["plain", "escaped", "umlaut"]
)
def test_query_parameters_are_signed(account, query):
    url = f"{sandbox_url('netsuite')}{PATH}?{query}"
    assert signed(url).status_code == 200
    _, headers, _ = Signer("a", "b", "c", "d", signature_method=SIGNATURE_HMAC_SHA256).sign(url)
    tampered = dict(headers)
    assert requests.get(f"{url}&more=1", headers=tampered, timeout=10).status_code == 401


def test_an_external_id_with_reserved_characters_is_signed_as_it_is_sent(account):
    url = f"{sandbox_url('netsuite')}/services/rest/record/v1/customer/eid:A%2FB%20C"
    answer = signed(url)
    assert answer.status_code == 404, answer.text


def assertion(**changes: Any) -> str:
    now = int(time.time())
    key = changes.pop("key", books.keypair("ES256")[0])
    algorithm = changes.pop("algorithm", "ES256")
    kid = changes.pop("kid", "cert-ES256")
    claims = {
        "iss": "client-1", "scope": "restlets,rest_webservices", "aud": sandbox_url("netsuite") + TOKEN, "iat": now,
        "exp": now + 600,
    } | changes  # fmt: skip
    return jwt.encode(claims, key, algorithm=algorithm, headers={"kid": kid})


def ask_token(assertion: str, **form: str) -> requests.Response:
    data = {"grant_type": "client_credentials", "client_assertion_type": ASSERTION, "client_assertion": assertion}
    return requests.post(sandbox_url("netsuite") + TOKEN, data=data | form, timeout=10)


def test_a_token_lasts_an_hour_and_its_lifetime_is_text(account):
    answer = ask_token(assertion())
    assert answer.status_code == 200, answer.text
    assert answer.json()["expires_in"] == "3600" and answer.json()["token_type"] == "Bearer"
    bearer = {"Authorization": f"Bearer {answer.json()['access_token']}"}
    assert requests.get(sandbox_url("netsuite") + PATH, headers=bearer, timeout=10).status_code == 200


def rsa_key() -> str:
    key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    return key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    ).decode()


@pytest.mark.parametrize(
    ("changes", "error"),
    [
        ({"algorithm": "RS256", "kid": "cert-PS256", "key": "its own"}, "invalid_client"),
        ({"kid": "unknown"}, "invalid_client"),
        ({"iss": "another"}, "invalid_client"),
        ({"key": "another", "algorithm": "PS256", "kid": "cert-PS256"}, "invalid_grant"),
        ({"key": "another", "algorithm": "PS256"}, "invalid_grant"),
        ({"exp": int(time.time()) - 600}, "invalid_grant"),
        ({"exp": int(time.time()) + 7200}, "invalid_grant"),
        ({"aud": "https://elsewhere.example/token"}, "invalid_grant"),
        ({"scope": ["restlets"]}, "invalid_scope"),
    ],
    ids=["RS256", "kid", "iss", "other key", "key of another kind", "expired", "two hours", "aud", "scope"],
)
def test_an_assertion_is_verified(account, changes, error):
    if changes.get("key") == "its own":
        changes = changes | {"key": books.keypair("PS256")[0]}
    if changes.get("key") == "another":
        changes = changes | {"key": rsa_key()}
    answer = ask_token(assertion(**changes))
    assert answer.status_code == 400
    assert answer.json()["error"] == error, answer.text


@pytest.mark.parametrize(
    "form", [{"grant_type": "password"}, {"client_assertion_type": "x"}, {"client_assertion": "x"}]
)
def test_a_malformed_request_for_a_token_is_refused(account, form):
    assert ask_token(assertion(), **form).status_code == 400


def test_one_token_serves_many_requests_and_is_renewed_when_it_is_refused(account):
    netsuite = books.connect(oauth2="ES256")
    with recording() as attempts:
        assert netsuite.probe() is None and netsuite.probe() is None
    assert [attempt.operation for attempt in attempts] == ["token", "suiteql", "suiteql"]
    account.fault("token_expired", "suiteql", times=1)
    with recording() as attempts:
        assert netsuite.probe() is None
    assert [(attempt.operation, attempt.status) for attempt in attempts] == [
        ("suiteql", 401), ("token", 200), ("suiteql", 200),
    ]  # fmt: skip


def test_an_expired_token_is_renewed_before_it_is_used(account):
    account.seed(token_s=30)
    netsuite = books.connect(oauth2="ES256")
    with recording() as attempts:
        netsuite.probe()
        netsuite.probe()
    assert [attempt.operation for attempt in attempts] == ["token", "suiteql"] * 2


@pytest.mark.parametrize("fault", ["drop_before", "drop_after", "unavailable", "too_many"])
def test_without_a_token_nothing_was_sent(account, fault):
    """A lost answer of the token address is no lost answer of the journal."""
    account.fault(fault, "token")
    netsuite = books.connect(oauth2="ES256")
    (outcome,) = netsuite.post([books.journal()])
    assert isinstance(outcome, Unavailable), outcome
    account.calm()
    assert isinstance(netsuite.post([books.journal()])[0], Posted)


@pytest.mark.parametrize(
    ("credentials", "said"),
    [
        ({"consumer_key": "x"}, "lack consumer_secret, token_id, token_secret"),
        ({}, "lack consumer_key"),
        ({"private_key": "x"}, "lack client_id, certificate_id"),
        ({"private_key": "no key", "client_id": "client-1", "certificate_id": "cert-ES256"}, "cannot sign"),
        ({**books.TBA, "token_secret": "wrong"}, "Invalid login"),
    ],
    ids=["half", "none", "half OAuth 2.0", "no key", "wrong secret"],
)
def test_credentials_that_cannot_work_are_said_so(account, credentials, said):
    config = ConnectionConfig(
        name="erp", vendor="netsuite", base_url=sandbox_url("netsuite"), credentials=credentials,
        options={"account": books.ACCOUNT},
    )  # fmt: skip
    netsuite = NetSuite(config)
    for outcome in (netsuite.probe(), *netsuite.check([books.journal()]), *netsuite.post([books.journal()])):
        assert isinstance(outcome, Rejected) and outcome.reason == Reason.CREDENTIALS_REFUSED, outcome
        assert said in outcome.text
        assert "token/secret" not in outcome.text
