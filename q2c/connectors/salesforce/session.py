"""A session with Salesforce: a token by JWT bearer or client credentials, kept per process, renewed once on 401."""

from __future__ import annotations

import threading
from collections.abc import Mapping
from typing import Any
from urllib.parse import urlsplit

import jwt

from q2c.connectors.http import Answer, Http, Lost, NotSent, machine_time_s, retry_after_s
from q2c.connectors.outcomes import Rejected, Unavailable, credentials_refused
from q2c.connectors.ports import ConnectionConfig
from q2c.reasons import Reason

JWT_BEARER = "urn:ietf:params:oauth:grant-type:jwt-bearer"
ASSERTION_LIFE_S = 180
_HOSTS = (".salesforce.com", ".salesforce.mil", ".sfcrmproducts.cn")


class Refusal(Exception):
    """No session: `outcome` says whether that will pass."""

    def __init__(self, outcome: Rejected | Unavailable) -> None:
        super().__init__(outcome.text)
        self.outcome = outcome


class Session:
    """Credentials: consumer_key with username and private_key (PEM), or with consumer_secret.

    Options: `login_url` (default: the base address), `audience` (default https://login.salesforce.com).
    """

    def __init__(self, config: ConnectionConfig, http: Http) -> None:
        self.config, self.http = config, http
        self._lock = threading.Lock()
        self._token = ""
        self._base = ""
        self.api_usage: tuple[int, int] | None = None
        self._login = str(config.options.get("login_url") or config.base_url).rstrip("/")
        http.trust(self._login)

    def send(
        self,
        method: str,
        path: str,
        *,
        headers: Mapping[str, str] | None = None,
        query: Mapping[str, Any] | None = None,
        body: bytes | None = None,
    ) -> Answer:
        """One request to the org. Raises Refusal, NotSent or Lost."""
        token, base = self._session("")
        answer = self._once(method, base + path, token, headers or {}, query, body)
        if answer.status == 401 and error_code(answer) == "INVALID_SESSION_ID":
            # The platform names no life time: a token is good until a call says otherwise. Refused calls did nothing.
            token, base = self._session(token)
            answer = self._once(method, base + path, token, headers or {}, query, body)
        return answer

    def _once(
        self, method: str, url: str, token: str, headers: Mapping[str, str], query: Any, body: bytes | None
    ) -> Answer:
        sent = {"Authorization": f"Bearer {token}", "Accept": "application/json", **headers}
        answer = self.http.send(method, url, headers=sent, query=query, body=body)
        self.api_usage = usage_of(answer.headers.get("Sforce-Limit-Info", "")) or self.api_usage
        return answer

    def _session(self, stale: str) -> tuple[str, str]:
        """The token in force; a new one when `stale` is the one in force."""
        with self._lock:
            if not self._token or self._token == stale:
                self._token, self._base = self._new_token()
            return self._token, self._base

    def _new_token(self) -> tuple[str, str]:
        try:
            answer = self.http.send("POST", f"{self._login}/services/oauth2/token", body=self._grant())
        except (NotSent, Lost) as error:
            raise Refusal(Unavailable(text=f"Salesforce gives no token: {error}")) from None
        content = answer.json()
        if answer.status == 200 and isinstance(content, dict) and content.get("access_token"):
            return str(content["access_token"]), self._trusted(str(content.get("instance_url") or ""))
        raise Refusal(_token_refused(answer, content))

    def _grant(self) -> dict[str, str]:
        given = self.config.credentials
        if given.get("private_key"):
            claims = {
                "iss": given["consumer_key"],
                "sub": given["username"],
                "aud": str(self.config.options.get("audience") or "https://login.salesforce.com"),
                # The machine's clock, not a moved one: the platform compares it with its own.
                "exp": int(machine_time_s()) + ASSERTION_LIFE_S,
            }
            return {"grant_type": JWT_BEARER, "assertion": jwt.encode(claims, given["private_key"], algorithm="RS256")}
        return {
            "grant_type": "client_credentials",
            "client_id": given.get("consumer_key", ""),
            "client_secret": given.get("consumer_secret", ""),
        }

    def _trusted(self, instance_url: str) -> str:
        """Where calls go: the instance named, if it is the platform's or the same host; never a token elsewhere."""
        named, own = urlsplit(instance_url), urlsplit(self.config.base_url)
        same_host = named.netloc == own.netloc and named.scheme == own.scheme
        vendors = named.scheme == "https" and (named.hostname or "").endswith(_HOSTS)
        if not (same_host or vendors):
            return self.config.base_url.rstrip("/")
        self.http.trust(instance_url)
        return instance_url.rstrip("/")


def _token_refused(answer: Answer, content: Any) -> Rejected | Unavailable:
    # OAuth answers with an object; what stands before it, with the array of the API.
    said = content if isinstance(content, dict) else next(iter(errors_of(answer)), {})
    code = str(said.get("error") or said.get("errorCode") or answer.status)
    words = said.get("error_description") or said.get("message") or answer.text[:200]
    text = f"Salesforce refuses a token: {words}"
    if answer.status == 429 or code in {"rate_limit_exceeded", "REQUEST_LIMIT_EXCEEDED"}:
        return Unavailable(text=text, reason=Reason.PLATFORM_BUSY, retry_after_s=retry_after_s(answer.headers))
    if answer.status >= 500:
        return Unavailable(text=text)
    return credentials_refused(answer.connection, text, code)


def errors_of(answer: Answer) -> list[dict[str, Any]]:
    """The error array of an answer; OAuth answers with an object instead."""
    content = answer.json()
    rows = content if isinstance(content, list) else [content]
    return [row for row in rows if isinstance(row, dict)]


def error_code(answer: Answer) -> str:
    return next((str(row.get("errorCode") or "") for row in errors_of(answer)), "")


def usage_of(header: str) -> tuple[int, int] | None:
    """`api-usage=18/15000; per-app-api-usage=…` → (18, 15000)."""
    name, _, figures = header.split(";", maxsplit=1)[0].strip().partition("=")
    used, _, allowed = figures.partition("/")
    return (int(used), int(allowed)) if name == "api-usage" and used.isdigit() and allowed.isdigit() else None
