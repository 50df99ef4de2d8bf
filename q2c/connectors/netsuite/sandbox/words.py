"""What the sandbox says when it refuses: one row per case, in NetSuite's error body.

`verified` is true where code and wording are printed by the vendor. The others could not be seen from a live account:
they may read differently there, so nothing may depend on one of these sentences alone.
"""

from __future__ import annotations

from dataclasses import dataclass

from q2c.connectors.sandbox_kit import Answer, Refused

TYPE = "application/vnd.oracle.resource+json; type=error"
_TITLES = {
    400: "Bad Request", 401: "Unauthorized", 403: "Forbidden", 404: "Not Found", 405: "Method Not Allowed",
    429: "Too Many Requests", 500: "Internal Server Error", 503: "Service Unavailable",
}  # fmt: skip
_SECTIONS = {400: "15.5.1", 401: "15.5.2", 403: "15.5.4", 404: "15.5.5", 405: "15.5.6", 500: "15.6.1", 503: "15.6.4"}


@dataclass(frozen=True, slots=True)
class Word:
    status: int
    code: str
    text: str
    verified: bool = False


WORDS: dict[str, Word] = {
    "login": Word(401, "INVALID_LOGIN", "Invalid login attempt.", verified=True),
    "unknown_id": Word(404, "NONEXISTENT_ID", "Record does not exist.", verified=True),
    "reference": Word(
        400, "INVALID_CONTENT",
        "Error while accessing resource: You have entered an Invalid Field Value {value} "
        "for the following field: {field}.",
        verified=True,
    ),
    "ineligible": Word(
        400, "USER_ERROR",
        "Error while accessing a resource. Invalid Field Value {value} for the following field: {field}",
    ),
    "missing": Word(400, "USER_ERROR", "Error while accessing a resource. Please enter value(s) for: {field}."),
    "property": Word(400, "INVALID_CONTENT", "Error while accessing resource: Unknown property {field}."),
    "json": Word(400, "INVALID_CONTENT", "Invalid content in the request body."),
    "duplicate": Word(
        400, "USER_ERROR",
        "Error while accessing a resource. A record with the same external ID already exists: {value}.",
    ),
    "entity_exists": Word(400, "USER_ERROR", "Error while accessing a resource. This entity already exists."),
    "closed_period": Word(
        400, "USER_ERROR",
        "Error while accessing a resource. The posting period {value} is closed: the transaction cannot be saved.",
    ),
    "locked_period": Word(
        400, "USER_ERROR",
        "Error while accessing a resource. The posting period {value} is locked for this subsidiary: "
        "the transaction cannot be saved.",
    ),
    "date_period": Word(
        400, "USER_ERROR",
        "Error while accessing a resource. The transaction date {value} is not within the chosen posting period.",
    ),
    "unbalanced": Word(
        400, "USER_ERROR",
        "Error while accessing a resource. The amounts in the journal entry must balance: debits {value}.",
    ),
    "concurrency": Word(
        429, "CONCURRENCY_LIMIT_EXCEEDED", "Concurrent request limit exceeded. Request blocked.", verified=True
    ),
    "unavailable": Word(503, "SERVICE_UNAVAILABLE", "The service is temporarily unavailable. Please try again later."),
    "script": Word(
        400, "USER_ERROR", "Error while accessing a resource. A workflow of the account refuses this record."
    ),
    "transient": Word(
        400, "INVALID_HEADER", "Error while accessing a resource. The Prefer header must have the value transient."
    ),
    "query": Word(
        400, "INVALID_PARAMETER",
        "Invalid search query. Detailed unprocessed description follows. Search error occurred: {value}",
    ),
    "paging": Word(400, "INVALID_PARAMETER", "Invalid value of the query parameter {field}: {value}."),
    "no_path": Word(404, "NOT_FOUND", "The requested resource does not exist."),
    "no_method": Word(405, "METHOD_NOT_ALLOWED", "The method is not allowed for this resource."),
}  # fmt: skip


def answer(name: str, *, value: object = "", field: str = "", path: str = "") -> Answer:
    """The error body of a case. `path` is what o:errorPath points at."""
    word = WORDS[name]
    detail = {"detail": word.text.format(value=value, field=field)}
    if path:
        detail["o:errorPath"] = path
    detail["o:errorCode"] = word.code
    body = {
        "type": f"https://www.rfc-editor.org/rfc/rfc9110.html#section-{_SECTIONS.get(word.status, '15')}",
        "title": _TITLES[word.status],
        "status": word.status,
        "o:errorDetails": [detail],
    }
    return Answer(word.status, body, {"Content-Type": TYPE})


def refused(name: str, *, value: object = "", field: str = "", path: str = "") -> Refused:
    return Refused(answer(name, value=value, field=field, path=path))
