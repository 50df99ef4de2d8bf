"""Signed requests: token-based authentication (OAuth 1.0a, HMAC-SHA256) or OAuth 2.0 with a certificate."""

from __future__ import annotations

import threading
import time
from typing import Any

import jwt
from oauthlib.oauth1 import SIGNATURE_HMAC_SHA256
from oauthlib.oauth1 import Client as Signer

from q2c.connectors.http import Answer, Http, Lost, NotSent, json_body, machine_time_s
from q2c.connectors.ports import ConnectionConfig

TOKEN_PATH = "/services/rest/auth/oauth2/v1/token"  # noqa: S105
_ASSERTION = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"
_ASSERTION_S = 300
OAUTH1 = ("consumer_key", "consumer_secret", "token_id", "token_secret")
OAUTH2 = ("client_id", "certificate_id", "private_key")


class SignInRefused(Exception):
    """The credentials are not accepted; the text is the platform's word."""


class Session:
    """Credentials for TBA: consumer_key, consumer_secret, token_id, token_secret. For OAuth 2.0: client_id,
    certificate_id, private_key (PEM; ES256 or PS256 by option `algorithm`). Option `account` is the account id.
    """

    def __init__(self, config: ConnectionConfig) -> None:
        self.config, self.http = config, Http(config)
        self._lock = threading.Lock()
        self._token, self._token_until = "", 0.0

    def send(
        self,
        method: str,
        path: str,
        document: Any = None,
        headers: dict[str, str] | None = None,
        *,
        operation: str = "",
    ) -> Answer:
        """One signed request; a refused OAuth 2.0 token is renewed once. Raises NotSent, Lost or SignInRefused."""
        body = None if document is None else json_body(document)
        token = self._bearer() if self.is_oauth2 else ""
        answer = self._send(method, path, body, headers or {}, token, operation)
        if answer.status == 401 and token:
            answer = self._send(method, path, body, headers or {}, self._bearer(refused=token), operation)
        return answer

    @property
    def is_oauth2(self) -> bool:
        return bool(self.config.credentials.get("private_key"))

    def _send(
        self, method: str, path: str, body: bytes | None, headers: dict[str, str], token: str, operation: str
    ) -> Answer:
        url = self.http.url(path)
        authorization = f"Bearer {token}" if token else self._signature(method, url)
        everything = {"Authorization": authorization, "Accept": "application/json", **headers}
        if body is not None:
            everything["Content-Type"] = "application/json"
        return self.http.send(method, url, headers=everything, body=body, operation=operation)

    def _signature(self, method: str, url: str) -> str:
        """Query parameters take part in the signature, JSON bodies do not."""
        secrets = self._needed(OAUTH1)
        signer = Signer(
            secrets["consumer_key"], secrets["consumer_secret"], secrets["token_id"], secrets["token_secret"],
            signature_method=SIGNATURE_HMAC_SHA256, timestamp=str(int(machine_time_s())),
            realm=str(self.config.options.get("account", "")).upper().replace("-", "_"),
        )  # fmt: skip
        _, headers, _ = signer.sign(url, http_method=method)
        return str(headers["Authorization"])

    def _needed(self, names: tuple[str, ...]) -> dict[str, str]:
        found = {name: self.config.credentials.get(name, "") for name in names}
        missing = [name for name, value in found.items() if not value]
        if missing:
            raise SignInRefused(f"The credentials of {self.config.name} lack {', '.join(missing)}")
        return found

    def _bearer(self, refused: str = "") -> str:
        """The token in force; a new one after its time, or when it is the one that was refused."""
        with self._lock:
            if not self._token or time.monotonic() > self._token_until or self._token == refused:
                self._token = ""
                self._renew()
            return self._token

    def _renew(self) -> None:
        """A failure on the way to a token is NotSent, whatever it was: what was to be sent has not left."""
        form = {
            "grant_type": "client_credentials", "client_assertion_type": _ASSERTION,
            "client_assertion": self._assertion(),
        }  # fmt: skip
        try:
            answer = self.http.send("POST", TOKEN_PATH, body=form, operation="token")
        except Lost as error:
            raise NotSent(f"no token: {error}") from error
        document = answer.json()
        document = document if isinstance(document, dict) else {}
        if answer.status == 429 or answer.status >= 500:
            raise NotSent(f"{self.config.name}: no token: HTTP {answer.status}")
        if not document.get("access_token"):
            raise SignInRefused(
                str(document.get("error_description") or document.get("error") or f"HTTP {answer.status}")
            )
        # Printed as a string in one place of the vendor's pages and as a number in another.
        lifetime = str(document.get("expires_in", 3600))
        self._token_until = time.monotonic() + (int(lifetime) if lifetime.isdigit() else 3600) - 60
        self._token = str(document["access_token"])

    def _assertion(self) -> str:
        secrets, moment = self._needed(OAUTH2), int(machine_time_s())
        claims = {
            "iss": secrets["client_id"], "scope": ["rest_webservices"], "aud": self.http.url(TOKEN_PATH),
            "iat": moment, "exp": moment + _ASSERTION_S,
        }  # fmt: skip
        try:
            return jwt.encode(
                claims, secrets["private_key"], algorithm=str(self.config.options.get("algorithm", "ES256")),
                headers={"kid": secrets["certificate_id"]},
            )  # fmt: skip
        except (jwt.PyJWTError, TypeError, ValueError, NotImplementedError) as error:
            raise SignInRefused(f"The private key of {self.config.name} cannot sign: {error}") from None
