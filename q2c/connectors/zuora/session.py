"""A session with Zuora: an OAuth token by client credentials, kept per process, renewed before it ends and on 401."""

from __future__ import annotations

import threading
import time
from collections.abc import Mapping
from typing import Any

from q2c.connectors.http import Answer, Http, Lost, NotSent, correlation_id, retry_after_s
from q2c.connectors.outcomes import Rejected, Unavailable, credentials_refused
from q2c.connectors.ports import ConnectionConfig
from q2c.connectors.zuora import numbers
from q2c.reasons import Reason

VERSION = "2025-08-12"
# A token is given up this long before its end, so that none runs out on the way.
MARGIN_S = 60.0


class NoSession(Exception):
    """No token: `outcome` says whether that will pass. Nothing was done."""

    def __init__(self, outcome: Rejected | Unavailable) -> None:
        super().__init__(outcome.text)
        self.outcome = outcome


class Session:
    """Credentials: client_id, client_secret. Options: zuora_version, entity_ids, org_ids."""

    def __init__(self, config: ConnectionConfig, http: Http | None = None) -> None:
        self.config, self.http = config, http or Http(config)
        self._lock = threading.Lock()
        self._token, self._until = "", 0.0

    def send(
        self,
        method: str,
        path: str,
        *,
        body: Any = None,
        query: Mapping[str, Any] | None = None,
        idempotency_key: str = "",
        operation: str = "",
    ) -> Answer:
        """One request. Raises NoSession, NotSent or Lost. A refused token did nothing, so the call is made again."""
        token = self._current("")
        answer = self._once(method, path, token, body, query, idempotency_key, operation)
        if answer.status == 401:
            token = self._current(token)
            answer = self._once(method, path, token, body, query, idempotency_key, operation)
        return answer

    def _once(
        self, method: str, path: str, token: str, body: Any, query: Any, idempotency_key: str, operation: str
    ) -> Answer:
        options = self.config.options
        headers = {
            "Authorization": f"Bearer {token}",
            "Zuora-Version": str(options.get("zuora_version") or VERSION),
            "Zuora-Track-Id": correlation_id()[:64],
            # Jobs are the tenant's, whatever entity.
            "Zuora-Entity-Ids": "" if path.startswith("/v1/async-jobs/") else str(options.get("entity_ids") or ""),
            "Zuora-Org-Ids": str(options.get("org_ids") or ""),
            "Idempotency-Key": idempotency_key,
        }
        sent = {name: value for name, value in headers.items() if value}
        content = None if body is None else numbers.encode(body)
        return self.http.send(method, path, headers=sent, body=content, query=query, operation=operation)

    def _current(self, stale: str) -> str:
        """The token in force; a new one when `stale` is the one in force, or its time is nearly over."""
        with self._lock:
            if not self._token or self._token == stale or time.monotonic() >= self._until:
                self._renew()
            return self._token

    def _renew(self) -> None:
        secrets = self.config.credentials
        form = {
            "grant_type": "client_credentials",
            "client_id": secrets.get("client_id", ""),
            "client_secret": secrets.get("client_secret", ""),
        }
        self._token = ""
        began = time.monotonic()
        try:
            answer = self.http.send("POST", "/oauth/token", body=form, operation="token")
        except (NotSent, Lost) as error:
            raise NoSession(Unavailable(text=f"Zuora gives no token: {error}")) from None
        content = answer.json()
        if answer.status == 200 and isinstance(content, dict) and content.get("access_token"):
            self._token = str(content["access_token"])
            self._until = began + max(float(content.get("expires_in") or 0) - MARGIN_S, 1.0)
            return
        raise NoSession(_token_refused(answer, content))


def _token_refused(answer: Answer, content: Any) -> Rejected | Unavailable:
    said = content if isinstance(content, dict) else {}
    text = f"Zuora refuses a token: {said.get('error') or said.get('message') or answer.text[:200] or answer.status}"
    if answer.status == 429:
        return Unavailable(text=text, reason=Reason.PLATFORM_BUSY, retry_after_s=retry_after_s(answer.headers))
    if answer.status >= 500:
        return Unavailable(text=text, retry_after_s=retry_after_s(answer.headers))
    return credentials_refused(answer.connection, text, str(answer.status))
