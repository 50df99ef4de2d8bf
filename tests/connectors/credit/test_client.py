"""The credit service over real HTTP: limits to the cent, and that only the word approve approves."""

from __future__ import annotations

import json
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread

import pytest
from msgspec.structs import replace

from q2c.connectors.http import calling, recording
from q2c.connectors.outcomes import Blocker, Rejected, Unavailable
from q2c.contracts.documents import CreditDecision
from q2c.reasons import Reason
from tests.connectors.credit.limits import KEY, asked, connect


@pytest.mark.parametrize(
    ("customer", "currency", "amount_minor", "decision", "limits"),
    [
        # Globex owes 400.00 of a soft limit of 1,000.00 and a hard one of 1,500.00.
        ("C-1", "USD", 0, "approve", (40_000, 100_000, 150_000)),
        ("C-1", "USD", 60_000, "approve", (40_000, 100_000, 150_000)),
        ("C-1", "USD", 60_001, "refer", (40_000, 100_000, 150_000)),
        ("C-1", "USD", 110_000, "refer", (40_000, 100_000, 150_000)),
        ("C-1", "USD", 110_001, "decline", (40_000, 100_000, 150_000)),
        # In another currency the limits are what they are worth in it.
        ("C-1", "EUR", 48_000, "approve", (32_000, 80_000, 120_000)),
        ("C-1", "EUR", 48_001, "refer", (32_000, 80_000, 120_000)),
        ("C-1", "JPY", 75_000, "approve", (50_000, 125_000, 187_500)),
        # Where soft and hard limit are one there is nothing to refer.
        ("C-2", "EUR", 80_000, "approve", (0, 80_000, 80_000)),
        ("C-2", "EUR", 80_001, "decline", (0, 80_000, 80_000)),
        ("C-4", "JPY", 125_001, "refer", (0, 125_000, 250_000)),
    ],
)
def test_decision_by_exposure_and_limits(credit, customer, currency, amount_minor, decision, limits):
    found = connect().check_credit(asked(amount_minor, currency, customer))
    assert isinstance(found, CreditDecision), found
    assert (found.decision, found.currency) == (decision, currency)
    assert (found.exposure_minor, found.soft_limit_minor, found.hard_limit_minor) == limits
    assert found.provider_reference.startswith("CC-")


def test_amounts_in_several_currencies_are_one_question(credit):
    request = replace(asked(10_000), further=(("EUR", 40_000), ("JPY", 1_250)))
    found = connect().check_credit(request)
    # 100.00 + 400.00 × 1.25 + 1,250 × 0.008
    assert (found.requested_minor, found.decision) == (61_000, "refer")
    refused = connect().check_credit(replace(asked(1), further=(("GBP", 1),)))
    assert isinstance(refused, Rejected)
    assert (refused.code, refused.field) == ("currency_unknown", "/further_amounts/0/currency")


def test_what_is_committed_already_counts(credit):
    """400.00 owed and 500.00 committed of 1,000.00: 100.00 are left."""
    request = replace(asked(10_000), committed=(("USD", 40_000), ("EUR", 8_000)))
    found = connect().check_credit(request)
    assert (found.decision, found.committed_minor, found.would_owe_minor) == ("approve", 50_000, 100_000)
    found = connect().check_credit(replace(request, amount_minor=10_001))
    assert (found.decision, found.would_owe_minor) == ("refer", 100_001)
    refused = connect().check_credit(replace(request, committed=(("USD", 1), ("GBP", 1))))
    assert (refused.code, refused.field) == ("currency_unknown", "/committed_amounts/1/currency")


class Forgetful(BaseHTTPRequestHandler):
    """Approves, and says nothing of what is committed already."""

    def do_POST(self):
        answer = {
            "id": "CC-1", "decision": "approve", "currency": "USD", "requested": "1.00", "exposure": "0.00",
            "soft_limit": "1000.00", "hard_limit": "1000.00",
        }  # fmt: skip
        body = json.dumps(answer).encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *args):
        pass


def test_a_service_that_passes_over_commitments_approves_nothing(credit):
    with ThreadingHTTPServer(("127.0.0.1", 0), Forgetful) as server:
        Thread(target=server.serve_forever, daemon=True).start()
        client = connect(base_url=f"http://127.0.0.1:{server.server_port}")
        assert client.check_credit(asked(100)).decision == "approve"
        found = client.check_credit(replace(asked(100), committed=(("USD", 1),)))
        server.shutdown()
    assert isinstance(found, Unavailable)
    assert "committed" in found.text


def test_a_raised_limit_counts_from_the_next_question(credit):
    client = connect()
    assert client.check_credit(asked(200_000)).decision == "decline"
    credit.edit("customer", "C-1", soft_limit="3000.00", hard_limit="3000.00")
    assert client.check_credit(asked(200_000)).decision == "approve"


def test_a_check_reserves_nothing(credit):
    client = connect()
    assert [client.check_credit(asked(60_000)).decision for _ in range(3)] == ["approve"] * 3


def test_a_hold_is_refused_by_its_name_and_seen_to_end(credit):
    client = connect()
    found = client.check_credit(asked(1, customer="C-3"))
    assert isinstance(found, Rejected)
    assert (found.reason, found.code) == (Reason.CREDIT_REFUSED, "on_hold")
    hold = Blocker(connection="credit", object_type="credit_customer", object_key="C-3", condition="on_hold")
    assert found.blocker == hold
    assert client.still_blocked(hold) is True
    credit.edit("customer", "C-3", on_hold=False)
    assert client.still_blocked(hold) is False
    assert client.check_credit(asked(1, customer="C-3")).decision == "approve"


def test_a_limit_is_seen_to_be_high_enough(credit):
    client = connect()
    low = Blocker(connection="credit", object_type="credit_limit", object_key="C-1", condition="under USD 2000.00")
    assert client.still_blocked(low) is True
    credit.edit("customer", "C-1", hard_limit="2399.99")
    assert client.still_blocked(low) is True
    credit.edit("customer", "C-1", hard_limit="2400.00")
    assert client.still_blocked(low) is False


@pytest.mark.parametrize(
    ("object_type", "condition"),
    [("credit_limit", "exceeded"), ("credit_limit", "under USD many"), ("cost_center", "inactive")],
)
def test_what_it_cannot_tell_is_left_open(credit, object_type, condition):
    blocker = Blocker(connection="credit", object_type=object_type, object_key="C-1", condition=condition)
    assert connect().still_blocked(blocker) is None


def test_an_unknown_customer_is_refused_until_it_is_known(credit):
    client = connect()
    found = client.check_credit(asked(1, customer="C-99"))
    assert isinstance(found, Rejected)
    missing = Blocker(connection="credit", object_type="credit_customer", object_key="C-99", condition="missing")
    assert (found.code, found.field, found.blocker) == ("customer_unknown", "/customer/id", missing)
    assert client.still_blocked(missing) is True
    credit.seed(default={"soft_limit": "10.00", "hard_limit": "20.00", "currency": "USD"})
    assert client.still_blocked(missing) is False
    assert client.check_credit(asked(1_000, customer="C-99")).decision == "approve"


def test_a_currency_without_a_rate_is_refused(credit):
    found = connect().check_credit(asked(1, "GBP"))
    assert isinstance(found, Rejected)
    assert (found.reason, found.code, found.field) == (Reason.CREDIT_REFUSED, "currency_unknown", "/amount/currency")


def test_the_key(credit):
    assert connect().probe() is None
    wrong = connect(key="another key")
    for found in (wrong.probe(), wrong.check_credit(asked(1))):
        assert isinstance(found, Rejected)
        assert found.reason == Reason.CREDENTIALS_REFUSED


def test_what_is_kept_of_a_call_has_no_key(credit):
    with recording() as attempts:
        connect().check_credit(asked(125_050))
    assert KEY not in repr(attempts)
    assert '"value":"1250.50"' in attempts[0].request_body


# What the platform does wrong


@pytest.mark.parametrize(
    ("fault", "reason", "retry_after_s"),
    [
        ({"name": "too_many", "value": 3}, Reason.PLATFORM_BUSY, 3.0),
        ({"name": "unavailable"}, Reason.PLATFORM_UNAVAILABLE, None),
        ({"name": "drop_before"}, Reason.PLATFORM_UNAVAILABLE, None),
        ({"name": "drop_after"}, Reason.PLATFORM_UNAVAILABLE, None),
        ({"name": "latency", "value": 1500}, Reason.PLATFORM_UNAVAILABLE, None),
        ({"name": "late_commit", "value": 1.5}, Reason.PLATFORM_UNAVAILABLE, None),
        ({"name": "business_failure"}, Reason.PLATFORM_UNAVAILABLE, None),
    ],
    ids=lambda value: value["name"] if isinstance(value, dict) else "",
)
def test_silence_means_waiting_never_approval(credit, fault, reason, retry_after_s):
    credit.fault(**fault, operation="check", times=1)
    client = connect(time_limit_s=0.7)
    found = client.check_credit(asked(1))
    assert isinstance(found, Unavailable), found
    assert (found.reason, found.retry_after_s) == (reason, retry_after_s)
    assert connect().check_credit(asked(1)).decision == "approve"


def test_an_expired_key_is_no_matter_of_waiting(credit):
    credit.fault("token_expired")
    found = connect().check_credit(asked(1))
    assert isinstance(found, Rejected)
    assert found.reason == Reason.CREDENTIALS_REFUSED


def test_a_silent_service_leaves_open_whether_a_hold_stands(credit):
    hold = Blocker(connection="credit", object_type="credit_customer", object_key="C-3", condition="on_hold")
    credit.fault("unavailable")
    assert connect().still_blocked(hold) is None


def test_a_call_that_must_not_be_made_any_more_does_not_leave(credit):
    """Asked right before the first byte: a call may have waited long for a place. The connection stays usable."""
    client, allowed = connect(), iter([True, False, True])
    with calling("", while_=lambda: next(allowed)), recording() as attempts:
        answers = [client.check_credit(asked(1)) for _ in range(3)]
    assert [type(answer) for answer in answers] == [CreditDecision, Unavailable, CreditDecision]
    assert [(attempt.status, attempt.error[:8]) for attempt in attempts] == [(200, ""), (None, "NotSent:"), (200, "")]
