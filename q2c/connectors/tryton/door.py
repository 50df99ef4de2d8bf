"""Tryton's REST door: models by domain, records made, changed and acted on; one request is one transaction there.

Decimals and dates travel tagged: {"__class__": "Decimal", "decimal": "100.00"}, {"__class__": "date", "year": …}.
"""

from __future__ import annotations

import base64
import datetime as dt
import json
import re
from collections.abc import Mapping, Sequence
from decimal import Decimal
from typing import Any

from q2c.connectors.http import Answer, Http, Lost, NotSent
from q2c.connectors.outcomes import Outcome, Rejected, Unavailable, Unknown, credentials_refused, permission_missing
from q2c.connectors.ports import ConnectionConfig
from q2c.reasons import Reason

Record = Mapping[str, Any]
TEXT_MAX = 400


class ReadRefused(Exception):
    """A read came to nothing; `outcome` says why."""

    def __init__(self, outcome: Rejected | Unavailable) -> None:
        super().__init__(outcome.text)
        self.outcome = outcome


class Door:
    """Credentials: key, of a user application for REST. Option `database`, where the base address does not end in it.

    Safe to share between threads.
    """

    def __init__(self, config: ConnectionConfig) -> None:
        self.config, self.http = config, Http(config)
        database = str(config.options.get("database", "")).strip("/")
        self._root = f"/{database}/rest/model" if database else "/rest/model"

    def search(
        self, model: str, domain: Sequence[Any], fields: Sequence[str], *, company: int | None = None
    ) -> list[Record]:
        """Records that fit, with these fields; a path such as lines.account.code reads along. Raises ReadRefused."""
        query = [("d", _token(domain)), *(("f", name) for name in fields)]
        try:
            answer = self._send("GET", f"{self._root}/{model}", None, company, f"read_{_short(model)}", query)
        except NotSent as error:
            raise ReadRefused(Unavailable(text=str(error))) from None
        except Lost as error:
            raise ReadRefused(Unavailable(text=f"Tryton does not answer: {error}")) from None
        found = decoded(answer)
        if answer.ok and isinstance(found, list):
            return found
        outcome = outcome_of(answer)
        if isinstance(outcome, Unknown) or answer.ok:
            raise ReadRefused(Unavailable(text=f"Tryton answered {answer.status} to a read of {model}"))
        assert isinstance(outcome, Rejected | Unavailable)
        raise ReadRefused(outcome)

    def create(self, model: str, values: Mapping[str, Any], company: int | None) -> Answer:
        """`company` is None for what no company owns. Raises NotSent or Lost."""
        return self._send("POST", f"{self._root}/{model}", values, company, f"create_{_short(model)}")

    def act(self, model: str, id_: int, action: str, company: int) -> Answer:
        """Raises NotSent or Lost."""
        return self._send("POST", f"{self._root}/{model}/{id_}/{action}", {}, company, f"{action}_{_short(model)}")

    def delete(self, model: str, id_: int, company: int) -> Answer:
        """Raises NotSent or Lost."""
        return self._send("DELETE", f"{self._root}/{model}/{id_}", None, company, f"delete_{_short(model)}")

    def _send(
        self, method: str, path: str, values: Any, company: int | None, operation: str, query: Any = None
    ) -> Answer:
        context = {"company": company} if company is not None else {}
        headers = {
            "Authorization": f"Bearer {self.config.credentials.get('key', '')}",
            # Texts of one language; what they mean is read from the state.
            "Accept-Language": "en", "X-Tryton-Context": _token(context), "Content-Type": "application/json",
        }  # fmt: skip
        body = None if values is None else _encoded(values)
        return self.http.send(method, path, headers=headers, body=body, query=query, operation=operation)


def outcome_of(answer: Answer) -> Outcome:
    """What an answer other than success means for a write. A 400 says nothing but that it is refused: its text is
    translated, and one sentence stands for several things."""
    text = text_of(answer)
    if answer.status in (401, 403):
        # A key that it does not know is a 401 there, a right that its user lacks a 403.
        told = credentials_refused if answer.status == 401 else permission_missing
        return told(answer.connection, f"Tryton answered {answer.status}: {text}")
    if answer.status == 503:
        # Locks are not waited for: the transaction was rolled back.
        return Unavailable(text=text, reason=Reason.PLATFORM_BUSY, retry_after_s=answer.retry_after_s)
    if answer.status == 429:
        return Unavailable(text=text, reason=Reason.PLATFORM_BUSY, retry_after_s=answer.retry_after_s)
    if answer.status == 400:
        return Rejected(reason=Reason.JOURNAL_REFUSED, text=text, code="400")
    if answer.status == 404:
        return Rejected(reason=Reason.REQUEST_REFUSED, text=f"Tryton knows no such address or record: {text}")
    return Unknown(text=f"Tryton answered {answer.status}: {text}")


def text_of(answer: Answer) -> str:
    """Its own words, where it gives any; a page of HTML without its tags."""
    document = answer.json()
    if isinstance(document, dict) and isinstance(document.get("message"), str):
        said = ". ".join(filter(None, (document["message"].rstrip("."), str(document.get("description") or ""))))
        return said[:TEXT_MAX]

    return " ".join(re.sub(r"<[^>]+>", " ", answer.text).split())[:TEXT_MAX] or f"HTTP {answer.status}"


def decoded(answer: Answer) -> Any:
    """The document with its decimals and dates; None where it is none."""
    try:
        return json.loads(answer.body, object_hook=_untagged, parse_float=Decimal)
    except (ValueError, TypeError, KeyError, RecursionError, ArithmeticError):
        return None


def _untagged(found: dict[str, Any]) -> Any:
    kind = found.get("__class__")
    if kind == "Decimal":
        return Decimal(found["decimal"])
    if kind == "date":
        return dt.date(found["year"], found["month"], found["day"])
    return found


def _tagged(value: Any) -> Any:
    if isinstance(value, Decimal):
        return {"__class__": "Decimal", "decimal": f"{value:f}"}
    if isinstance(value, dt.date):
        return {"__class__": "date", "year": value.year, "month": value.month, "day": value.day}
    raise TypeError(f"{value!r} does not travel")


def _encoded(values: Any) -> str:
    return json.dumps(values, default=_tagged)


def _token(values: Any) -> str:
    return base64.urlsafe_b64encode(_encoded(values).encode()).decode()


def _short(model: str) -> str:
    """account.move → move"""
    return model.rpartition(".")[2]
