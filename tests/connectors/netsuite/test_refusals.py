"""Answers as a live account could give them, and what each means for a write."""

from __future__ import annotations

import json

import pytest

from q2c.connectors.http import Answer
from q2c.connectors.netsuite import refusals
from q2c.connectors.netsuite.sandbox.words import WORDS
from q2c.connectors.outcomes import Rejected, Unavailable, Unknown
from q2c.reasons import Reason


def answer(status: int, code: str = "", detail: str = "", path: str = "", **headers: str) -> Answer:
    error = {"detail": detail, "o:errorCode": code} | ({"o:errorPath": path} if path else {})
    body = {"type": "https://…", "title": "Bad Request", "status": status, "o:errorDetails": [error]}
    return Answer(status, headers, json.dumps(body).encode(), 0.1)


TABLE = [
    (answer(401, "INVALID_LOGIN", "Invalid login attempt."), Rejected, Reason.CREDENTIALS_REFUSED),
    (answer(403, "INSUFFICIENT_PERMISSION", "Permission violation"), Rejected, Reason.CREDENTIALS_REFUSED),
    (answer(400, "INSUFFICIENT_PERMISSION", "You need a permission"), Rejected, Reason.CREDENTIALS_REFUSED),
    (answer(429, "CONCURRENCY_LIMIT_EXCEEDED", "blocked"), Unavailable, Reason.PLATFORM_BUSY),
    (answer(400, "CONCURRENCY_LIMIT_EXCEEDED", "blocked"), Unavailable, Reason.PLATFORM_BUSY),
    (answer(503, "", ""), Unavailable, Reason.PLATFORM_UNAVAILABLE),
    (answer(500, "UNEXPECTED_ERROR", "An unexpected error. Error ID: abc"), Unknown, None),
    (Answer(502, {}, b"<html>Bad Gateway</html>", 0.1), Unknown, None),
    (Answer(504, {}, b"", 0.1), Unknown, None),
    (answer(400, "USER_ERROR", "Invalid Field Value 5 for the following field: department", "line.items[1]"), Rejected,
     Reason.DIMENSION_INACTIVE),
    (answer(400, "USER_ERROR", "Invalid Field Value 5 for the following field: class"), Rejected,
     Reason.DIMENSION_INACTIVE),
    (answer(400, "INVALID_CONTENT", "You have entered an Invalid Field Value 9999 for the following field: account"),
     Rejected, Reason.ACCOUNT_UNKNOWN),
    (answer(400, "INVALID_CONTENT", "Invalid Field Value 7 for the following field: entity"), Rejected,
     Reason.CUSTOMER_UNKNOWN),
    (answer(400, "USER_ERROR", "You cannot post to a closed accounting period"), Rejected, Reason.PERIOD_CLOSED),
    (answer(400, "USER_ERROR", "CLOSED_TRAN_PRD"), Rejected, Reason.PERIOD_CLOSED),
    (answer(400, "USER_ERROR", "The transaction date is not within the selected posting period"), Rejected,
     Reason.PERIOD_CLOSED),
    (answer(400, "USER_ERROR", "The transaction is out of balance"), Rejected, Reason.JOURNAL_UNBALANCED),
    (answer(400, "USER_ERROR", "Something nobody has seen yet"), Rejected, Reason.JOURNAL_REFUSED),
    (Answer(404, {}, b"not json", 0.1), Rejected, Reason.JOURNAL_REFUSED),
    (Answer(400, {}, b'{"o:errorDetails": "text"}', 0.1), Rejected, Reason.JOURNAL_REFUSED),
    (Answer(400, {}, b'{"o:errorDetails": [1]}', 0.1), Rejected, Reason.JOURNAL_REFUSED),
]  # fmt: skip


@pytest.mark.parametrize(
    ("given", "kind", "reason"), TABLE, ids=lambda value: str(getattr(value, "status", value))[:30]
)
def test_an_answer_is_classified(given, kind, reason):
    outcome = refusals.outcome_of(given)
    assert isinstance(outcome, kind), outcome
    assert reason is None or outcome.reason == reason


def test_the_platform_s_own_words_are_kept():
    outcome = refusals.outcome_of(answer(400, "USER_ERROR", "Nobody has seen this", "line.items[3]"))
    assert outcome == Rejected(
        reason=Reason.JOURNAL_REFUSED, text="Nobody has seen this", code="USER_ERROR", field="line.items[3]"
    )


def test_seconds_to_wait_are_taken_from_the_answer():
    assert refusals.outcome_of(answer(429, **{"Retry-After": "12"})).retry_after_s == 12


def test_a_read_never_leaves_anything_unknown():
    assert isinstance(refusals.outcome_of_read(Answer(500, {}, b"", 0.1)), Unavailable)
    busy = refusals.outcome_of_read(answer(429, **{"Retry-After": "3"}))
    assert (busy.reason, busy.retry_after_s) == (Reason.PLATFORM_BUSY, 3)


@pytest.mark.parametrize(
    "said", ["A record with the same external ID already exists", "DUP_RCRD", "This entity already exists."]
)
def test_a_duplicate_is_a_question_not_an_answer(said):
    assert refusals.is_duplicate(answer(400, "USER_ERROR", said))
    assert not refusals.is_duplicate(answer(500, "USER_ERROR", said))


def test_what_the_vendor_has_printed_is_told_from_what_was_guessed():
    """Wording that nobody has seen is marked, so that it can be corrected and nothing is proved by it."""
    printed = {name for name, word in WORDS.items() if word.verified}
    assert printed == {"login", "unknown_id", "reference", "concurrency"}
