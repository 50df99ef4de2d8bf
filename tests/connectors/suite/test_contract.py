"""The contract: see the package's docstring. Whatever goes wrong, a platform holds one document in the end, never two."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from typing import Any

import pytest

from q2c.connectors import redaction
from q2c.connectors.calls import recording
from q2c.connectors.http import Answer, Http
from q2c.connectors.outcomes import PERMISSION_MISSING, NotFound, Posted, Rejected, Unavailable, Unknown
from q2c.connectors.registry import CONNECTORS
from q2c.local.ports import Ports
from q2c.reasons import TRANSIENT, Reason
from tests.connectors.control import Control
from tests.connectors.suite.cases import AMPLE_S, FAULTS, LIMIT_S, NAMES, OVER, Case, Expect
from tests.connectors.suite.subject import Ledger, Subject
from tests.connectors.suite.subjects import ALL

LEDGERS = [subject for subject in ALL if isinstance(subject, Ledger)]
# Of the slowest call of a write just made, how many fit into a limit that is to be met by all but the one struck.
_CALLS = 5


@dataclass
class Bench:
    """A subject with its sandbox and a connector."""

    subject: Subject
    control: Control
    connector: Any

    def write(self, document: Any) -> Any:
        return self.subject.write(self.connector, document)

    def limit_s(self) -> float:
        """A limit that only a switch makes a call exceed: told by what the calls of a write take now."""
        with recording() as attempts:
            assert isinstance(self.write(self.subject.document()), self.subject.done)
        return max(LIMIT_S, _CALLS * max(attempt.duration_ms for attempt in attempts) / 1000)

    def write_within(self, document: Any, limit_s: float) -> Any:
        return self.subject.write(self.subject.connect(time_limit_s=limit_s), document)

    def look_up(self, document: Any) -> Any:
        return self.subject.look_up(self.connector, document)

    def count(self, document: Any) -> int:
        return self.subject.count(self.control, document)

    def fault(self, name: str, **more: Any) -> None:
        self.control.fault(name, self.subject.operation, **more)


@pytest.fixture
def bench() -> Iterator[Callable[[Subject, str], Bench]]:
    opened: list[Control] = []

    def make(subject: Subject, case: str) -> Bench:
        if case in subject.declared:
            pytest.skip(f"declared by {subject}: {subject.declared[case]}")
        control = Control(subject.vendor)
        opened.append(control)
        control.reset()
        subject.seed(control)
        return Bench(subject, control, subject.connect(time_limit_s=AMPLE_S))

    yield make
    for control in opened:
        control.reset()


def every(subjects: Any) -> Any:
    return pytest.mark.parametrize("subject", subjects, ids=str)


def settled(bench: Bench, document: Any, outcome: Any, settle_s: float) -> Any:
    """What the engine makes of an outcome: look up after a lost answer, again and again; then send again."""
    subject = bench.subject
    if isinstance(outcome, subject.done):
        return outcome
    if isinstance(outcome, Unknown):
        until = time.monotonic() + settle_s
        while time.monotonic() < until:
            found = bench.look_up(document)
            if isinstance(found, Posted | Rejected):
                return found
            time.sleep(0.1)
    return bench.write(document)


def counted(bench: Bench, document: Any, settle_s: float) -> int:
    """What the platform holds, once it shows what it holds."""
    until = time.monotonic() + settle_s
    while (count := bench.count(document)) < bench.subject.leaves and time.monotonic() < until:
        time.sleep(0.1)
    return count


def must(subject: Subject, case: str, expect: Expect, outcome: Any) -> None:
    wanted = {"done": subject.done, "lost": subject.lost}.get(expect.said, expect.said)  # type: ignore[arg-type]
    assert isinstance(outcome, wanted), f"{case}: {outcome}"
    if expect.reason is not None:
        assert outcome.reason == expect.reason, outcome
    if expect.reason == Reason.CREDENTIALS_REFUSED:
        names_its_connection(outcome)
    if expect.retry_after_s is not None:
        assert outcome.retry_after_s == expect.retry_after_s, outcome


def names_its_connection(refused: Any) -> None:
    """So that its cases are offered once it is let in."""
    blocker = refused.blocker
    assert blocker is not None and blocker.connection, refused
    assert (blocker.object_type, blocker.condition) == ("connection", "credentials_refused")
    assert blocker.object_key == blocker.connection


# The subjects themselves


def test_every_connector_has_a_subject() -> None:
    assert {subject.vendor for subject in ALL} == set(CONNECTORS)


@every(ALL)
def test_what_a_subject_declares_is_a_case_with_a_reason(subject: Subject) -> None:
    assert set(subject.declared) | set(subject.expected) <= NAMES
    assert all(len(why) > 10 for why in subject.declared.values())
    assert not set(subject.declared) & set(subject.expected)


@every(ALL)
def test_a_probe_tells_whether_the_credentials_are_taken(subject: Subject, bench: Any) -> None:
    it = bench(subject, "probe")
    config = it.connector.config
    wrong = replace(config, name="crooked", credentials=dict.fromkeys(config.credentials, "wrong"))
    refused = type(it.connector)(wrong).probe()
    assert isinstance(refused, Rejected) and refused.reason == Reason.CREDENTIALS_REFUSED, refused
    names_its_connection(refused)
    assert refused.blocker is not None and refused.blocker.connection == "crooked"
    assert it.connector.probe() is None


@every(ALL)
@pytest.mark.parametrize("status", [401, 403])
def test_what_lacks_a_permission_does_not_wait_for_being_let_in(
    subject: Subject, bench: Any, monkeypatch: pytest.MonkeyPatch, status: int
) -> None:
    """Signed in, each call is refused. A probe tells whether a 401 is over; of a 403 it knows nothing."""
    it, sent = bench(subject, "token refused"), Http.send
    document = it.subject.document()

    def send(http: Http, method: str, path: str, **more: Any) -> Answer:
        is_sign_in = "oauth" in path
        return sent(http, method, path, **more) if is_sign_in else Answer(status, {}, b"", 0.0, http.config.name)

    monkeypatch.setattr(Http, "send", send)
    refused = it.write(document)
    assert isinstance(refused, Rejected), refused
    if status == 401:
        names_its_connection(refused)
    else:
        blocker = refused.blocker
        assert blocker is None or (blocker.object_type, blocker.condition) == ("connection", PERMISSION_MISSING)


# Writing


@every(ALL)
def test_happy(subject: Subject, bench: Any) -> None:
    it = bench(subject, "happy")
    document = subject.document()
    assert it.connector.probe() is None
    if subject.leaves:
        assert isinstance(it.look_up(document), NotFound)
        assert it.count(document) == 0
    outcome = it.write(document)
    assert isinstance(outcome, subject.done), outcome
    if subject.leaves:
        assert outcome.reference
        assert it.count(document) == 1
        found = it.look_up(document)
        assert isinstance(found, Posted) and found.found, found
        assert found.reference == outcome.reference


@every(ALL)
def test_no_credential_is_kept_of_a_call(subject: Subject, bench: Any) -> None:
    """Whatever the header, parameter or field is called that carries it."""
    it = bench(subject, "happy")
    with recording() as attempts:
        it.write(subject.document())
    secrets = redaction.values_of(it.connector.config.credentials)
    assert attempts and secrets
    for attempt in attempts:
        shown = repr(attempt)
        assert not [secret for secret in secrets if secret in shown], attempt.operation


@every(ALL)
def test_nobody_answers(subject: Subject, bench: Any) -> None:
    it = bench(subject, "nobody answers")
    port = Ports().choose("nobody")
    connector = subject.connect(time_limit_s=AMPLE_S, base_url=f"http://127.0.0.1:{port}")
    outcome = subject.write(connector, subject.document())
    assert isinstance(outcome, Unavailable), outcome
    assert outcome.reason in TRANSIENT
    assert isinstance(connector.probe(), Unavailable)
    assert it.connector.probe() is None


@every(ALL)
def test_same_key_and_content_is_one_document(subject: Subject, bench: Any) -> None:
    it = bench(subject, "same key, same content")
    document = subject.document()
    first, second = it.write(document), it.write(document)
    assert isinstance(first, Posted) and isinstance(second, Posted), (first, second)
    assert first.reference == second.reference
    assert it.count(document) == 1


@every(ALL)
def test_same_key_and_other_content_is_refused(subject: Subject, bench: Any) -> None:
    it = bench(subject, "same key, other content")
    document = subject.document()
    assert isinstance(it.write(document), Posted)
    other = subject.other_content(document)
    for outcome in (it.write(other), it.look_up(other)):
        assert isinstance(outcome, Rejected), outcome
        assert outcome.reason == subject.differs
    assert isinstance(it.look_up(document), Posted)
    assert it.count(document) == 1


@pytest.mark.parametrize("case", FAULTS, ids=lambda case: case.name)
@every(ALL)
def test_fault(subject: Subject, case: Case, bench: Any) -> None:
    it = bench(subject, case.name)
    expect = subject.expected.get(case.name, case.expect)
    document = subject.document()
    limit_s = it.limit_s() if case.paced else 1.0
    began = time.monotonic()
    it.fault(case.switch, value=case.value * limit_s, times=case.times, **case.more)
    outcome = it.write_within(document, limit_s) if case.over else it.write(document)
    must(subject, case.name, expect, outcome)
    assert it.control.faults()[0]["hits"] > 0, "the switch struck nothing: is `operation` the sandbox's name?"
    if expect.documents is not None:
        found = it.count(document)
        # What is done late was not done yet, as long as it was looked at in time.
        if not case.over or time.monotonic() - began < OVER * limit_s:
            assert found == (subject.leaves if expect.documents == "all" else 0)
    it.control.calm()
    last = settled(it, document, outcome, case.settle * limit_s)
    assert isinstance(last, subject.done), last
    assert counted(it, document, case.settle * limit_s) == subject.leaves
    again = it.write(document)
    assert isinstance(again, subject.done), again
    assert it.count(document) == subject.leaves


@every(ALL)
def test_sent_again_before_a_late_commit_is_one_document(subject: Subject, bench: Any) -> None:
    """The engine waits for the settle time; should it ever be too short, the platform's own uniqueness holds."""
    it = bench(subject, "sent again before a late commit")
    document = subject.document()
    limit_s = it.limit_s()
    late_s = OVER * limit_s
    it.fault("late_commit", value=late_s, times=1)
    assert isinstance(it.write_within(document, limit_s), subject.lost)
    second = it.write(document)
    assert isinstance(second, Posted), second
    time.sleep(late_s)
    assert it.count(document) == 1
    found = it.look_up(document)
    assert isinstance(found, Posted) and found.reference == second.reference


@every(ALL)
def test_partial_failure_of_a_batch(subject: Subject, bench: Any) -> None:
    """The one that failed is told by name; the others are done, or nobody takes them for done."""
    it = bench(subject, "partial failure")
    documents = [subject.document() for _ in range(3)]
    it.fault("partial_failure", times=1)
    outcomes = subject.write_batch(it.connector, documents)
    done = [isinstance(outcome, subject.done) for outcome in outcomes]
    assert [isinstance(outcome, Rejected) for outcome in outcomes].count(True) == 1, outcomes
    assert done.count(True) == (2 if subject.does_the_others else 0), outcomes
    assert [it.count(document) for document in documents] == [subject.leaves if each else 0 for each in done]
    again = subject.write_batch(it.connector, documents)
    assert [isinstance(outcome, subject.done) for outcome in again] == [True, True, True], again
    assert [it.count(document) for document in documents] == [subject.leaves] * 3


# Ledgers


@every(LEDGERS)
def test_closed_period(subject: Ledger, bench: Any) -> None:
    it = bench(subject, "closed period")
    document = subject.document()
    assert subject.check(it.connector, document) is None
    subject.set_period(it.control, closed=True)
    # It was open a moment ago, and the journal is sent: the platform refuses it.
    refused = it.write(document)
    checked = subject.check(subject.connect(), document)
    for finding in (refused, checked):
        assert isinstance(finding, Rejected) and finding.reason == Reason.PERIOD_CLOSED, finding
        assert finding.blocker is not None and finding.blocker.object_type == "fiscal_period"
        assert subject.still_blocked(it.connector, finding.blocker) is True
    assert refused.blocker == checked.blocker
    assert it.count(document) == 0
    subject.set_period(it.control, closed=False)
    assert subject.still_blocked(it.connector, refused.blocker) is False
    assert subject.check(it.connector, document) is None
    assert isinstance(it.write(document), Posted)
    assert it.count(document) == 1


@every(LEDGERS)
def test_inactive_dimension_is_caught_before_sending(subject: Ledger, bench: Any) -> None:
    it = bench(subject, "inactive dimension")
    document = subject.document()
    subject.set_dimension(it.control, inactive=True)
    with recording() as attempts:
        finding = subject.check(it.connector, document)
    assert isinstance(finding, Rejected) and finding.reason == Reason.DIMENSION_INACTIVE, finding
    assert not [attempt for attempt in attempts if attempt.operation == subject.operation]
    assert it.count(document) == 0
    assert finding.blocker is not None
    assert subject.still_blocked(it.connector, finding.blocker) is True
    # Sent all the same, by somebody who checked too early: the platform refuses it, and it is the same problem.
    refused = it.write(document)
    assert isinstance(refused, Rejected) and refused.blocker == finding.blocker, refused
    assert it.count(document) == 0
    subject.set_dimension(it.control, inactive=False)
    assert subject.still_blocked(it.connector, finding.blocker) is False
    assert subject.check(it.connector, document) is None
    assert isinstance(it.write(document), Posted)


@pytest.mark.parametrize("what", ["date", "amount", "dimension", "rate"])
@every(LEDGERS)
def test_what_was_changed_behind_our_back_is_seen(subject: Ledger, what: str, bench: Any) -> None:
    it = bench(subject, "changed behind our back")
    document = subject.document()
    assert isinstance(it.write(document), Posted)
    subject.spoil(it.control, document, what)
    for outcome in (it.look_up(document), it.write(document)):
        assert isinstance(outcome, Rejected) and outcome.reason == Reason.CONTENT_DIFFERS, outcome
    assert it.count(document) == 1


@pytest.mark.parametrize("what", ["date", "dimension"])
@every(LEDGERS)
def test_what_is_taken_otherwise_than_sent_is_seen(subject: Ledger, what: str, bench: Any) -> None:
    it = bench(subject, "taken otherwise than sent")
    document = subject.document()
    subject.spoil_next(it.control, what)
    outcome = it.write(document)
    assert isinstance(outcome, Rejected) and outcome.reason == Reason.CONTENT_DIFFERS, outcome
    assert it.count(document) == 1
