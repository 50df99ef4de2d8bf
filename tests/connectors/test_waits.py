"""What a platform says about when to come back is a header, and a header may say anything."""

from __future__ import annotations

import email.utils

import pytest

from q2c.connectors import http

DAY_S = 86_400.0


@pytest.mark.parametrize(
    ("said", "wait_s"),
    [
        ("7", 7.0), (" 1.5 ", 1.5), ("0", 0.0), ("86401", DAY_S), ("315360000", DAY_S), ("9" * 20, DAY_S),
        ("9" * 400, DAY_S), ("-5", None), ("", None), ("soon", None), ("NaN", None), ("inf", None), ("1e9", None),
        ("²", None), ("1.2.3", None), (".", None), ("Thu, 01 Jan 1970 00:00:00 GMT", 0.0),
        ("Fri, 31 Dec 9999 23:59:59 GMT", DAY_S), ("Fri, 31 Dec 99999 23:59:59 GMT", None),
        ("Mon, 01 Jan 0001 00:00:00 +2359", 0.0), (f"Fri, 31 Dec {'9' * 30} 23:59:59 GMT", None),
    ],
)  # fmt: skip
def test_seconds_of_a_retry_after(said: str, wait_s: float | None) -> None:
    assert http.retry_after_s({"Retry-After": said}) == wait_s


def test_a_date_counts_from_now() -> None:
    said = email.utils.formatdate(http.machine_time_s() + 90, usegmt=True)
    wait_s = http.retry_after_s({"Retry-After": said})
    assert wait_s is not None
    assert 88 <= wait_s <= 91
