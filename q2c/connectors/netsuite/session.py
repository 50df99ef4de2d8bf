"""Signed requests: token-based authentication (OAuth 1.0a, HMAC-SHA256) or OAuth 2.0 with a certificate."""

from __future__ import annotations

import threading
import time
from typing import Any

import jwt
from oauthlib.oauth1 import SIGNATURE_HMAC_SHA256
from oauthlib.oauth1 import Client as Signer

from q2c.connectors.http import Answer, Http, json_body, machine_time_s
from q2c.connectors.ports import ConnectionConfig

TOKEN_PATH = "/services/rest/auth/oauth2/v1/token"  # noqa: S105
_ASSERTION = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"


class SignInRefused(Exception):
    """The credentials are not accepted; `text` is the platform's word."""


class Session:
    """Credentials for TBA: consumer_key, consumer_secret, token_id, token_secret. For OAuth 2.0: client_id,
    certificate_id, private_key (PEM; ES256 or PS256 by option `algorithm`). Option `account` is the account id.
    """

    def __init__(self, config: ConnectionConfig) -> None:
        self.config, self.http = config, Http(config)
        self._lock = threading.Lock()
        self._token, self._token_until = "", 0.0

    def send(self, method: str, path: str, document: Any = None, headers: dict[str, str] | None = None) -> Answer:
        """One signed request; a refused OAuth 2.0 token is renewed once. Raises NotSent, Lost or SignInRefused."""
        body = None if document is None else json_body(document)
        answer = self._send(method, path, body, headers or {})
        if answer.status == 401 and self._is_oauth2:
            self._token = ""
            answer = self._send(method, path, body, headers or {})
        return answer

    @property
    def _is_oauth2(self) -> bool:
        return "private_key" in self.config.credentials

    def _send(self, method: str, path: str, body: bytes | None, headers: dict[str, str]) -> Answer:
        url = path if path.startswith("http") else self.config.base_url.rstrip("/") + path
        authorization = f"Bearer {self._bearer()}" if self._is_oauth2 else self._signature(method, url)
        everything = {"Authorization": authorization, "Accept": "application/json", **headers}
        if body is not None:
            everything["Content-Type"] = "application/json"
        return self.http.send(method, url, headers=everything, body=body)

    def _signature(self, method: str, url: str) -> str:
        """Query parameters take part in the signature, JSON bodies do not."""
        secrets = self.config.credentials
        signer = Signer(
            secrets.get("consumer_key", ""), secrets.get("consumer_secret", ""), secrets.get("token_id", ""),
            secrets.get("token_secret", ""), signature_method=SIGNATURE_HMAC_SHA256,
            realm=str(self.config.options.get("account", "")).upper().replace("-", "_"),
        )  # fmt: skip
        _, headers, _ = signer.sign(url, http_method=method)
        return str(headers["Authorization"])

    def _bearer(self) -> str:
        with self._lock:
            if not self._token or time.monotonic() > self._token_until:
                self._renew()
            return self._token

    def _renew(self) -> None:
        url = self.config.base_url.rstrip("/") + TOKEN_PATH
        secrets, moment = self.config.credentials, int(machine_time_s())
        claims = {
            "iss": secrets["client_id"], "scope": ["rest_webservices"], "aud": url, "iat": moment, "exp": moment + 3000,
        }  # fmt: skip
        assertion = jwt.encode(
            claims,
            secrets["private_key"],
            algorithm=self.config.options.get("algorithm", "ES256"),
            headers={"kid": secrets["certificate_id"]},
        )
        form = {
            "grant_type": "client_credentials", "client_assertion_type": _ASSERTION, "client_assertion": assertion,
        }  # fmt: skip
        answer = self.http.send("POST", TOKEN_PATH, body=form)
        document = answer.json() or {}
        if "access_token" not in document:
            raise SignInRefused(document.get("error_description") or document.get("error") or f"HTTP {answer.status}")
        # Printed as a string in one place of the vendor's pages and as a number in another.
        self._token_until = time.monotonic() + int(document.get("expires_in", 3600)) - 60
        self._token = document["access_token"]
