"""What every sandbox is made of: each fault switch on the wire, the clock, reset, edits, counters, restarts."""

from __future__ import annotations

import os
import sys
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path

import psycopg
import pytest
import requests

from q2c.connectors.sandbox_kit import SWITCHES, store
from tests.connectors.control import Control
from tests.connectors.salesforce import orgs

ACCOUNT = "/services/data/v61.0/sobjects/Account"


class Caller:
    """A client without any manners of its own: no retries, no renewed sessions."""

    def __init__(self, url: str) -> None:
        self.url = url
        self.session = requests.Session()
        self.session.trust_env = False
        form = {"grant_type": "client_credentials", "client_id": "key-secret", "client_secret": "a secret"}
        token = self.session.post(f"{url}/services/oauth2/token", data=form, timeout=10).json()["access_token"]
        self.session.headers["Authorization"] = f"Bearer {token}"

    def create(self, name: str, timeout_s: float = 10) -> requests.Response:
        return self.session.post(f"{self.url}{ACCOUNT}", json={"Name": name}, timeout=timeout_s)

    def limits(self) -> requests.Response:
        return self.session.get(f"{self.url}/services/data/v61.0/limits", timeout=10)


@pytest.fixture
def control() -> Iterator[Control]:
    found = Control("salesforce")
    found.reset()
    found.seed(apps=[orgs.SECRET_APP])
    yield found
    found.reset()


@pytest.fixture
def caller(control: Control) -> Caller:
    return Caller(control.url)


def names(control: Control) -> list[str]:
    return [record["body"]["Name"] for record in control.records("Account")]


# Fault switches


def test_latency(control, caller):
    control.fault("latency", "create", value=400)
    began = time.monotonic()
    assert caller.create("A").status_code == 201
    assert 0.4 <= time.monotonic() - began < 2


def test_too_many_in_the_vendors_words(control, caller):
    control.fault("too_many", "create", value=7)
    answer = caller.create("A")
    assert (answer.status_code, answer.json()[0]["errorCode"]) == (403, "REQUEST_LIMIT_EXCEEDED")
    assert names(control) == []


def test_unavailable(control, caller):
    control.fault("unavailable", "create")
    assert caller.create("A").status_code == 503
    assert names(control) == []


@pytest.mark.parametrize(("fault", "left"), [("drop_before", []), ("drop_after", ["A"])])
def test_a_dropped_connection(control, caller, fault, left):
    control.fault(fault, "create", times=1)
    with pytest.raises(requests.ConnectionError):
        caller.create("A")
    assert names(control) == left


def test_a_late_commit(control, caller):
    control.fault("late_commit", "create", times=1, value=0.8)
    with pytest.raises(requests.Timeout):
        caller.create("A", timeout_s=0.3)
    assert names(control) == []
    deadline = time.monotonic() + 10
    while names(control) != ["A"] and time.monotonic() < deadline:
        time.sleep(0.05)
    assert names(control) == ["A"]


def test_token_expired_spares_the_token_itself(control, caller):
    control.fault("token_expired", times=1)
    fresh = Caller(control.url)
    assert caller.create("A").json()[0]["errorCode"] == "INVALID_SESSION_ID"
    assert fresh.create("B").status_code == 201


def test_business_failure(control, caller):
    control.fault("business_failure", "create")
    assert caller.create("A").json()[0]["errorCode"] == "FIELD_CUSTOM_VALIDATION_EXCEPTION"
    assert names(control) == []


def test_search_lag(control, caller):
    control.fault("search_lag", "create", value=1)
    key = caller.create("A").json()["id"]
    assert names(control) == []
    assert caller.session.get(f"{control.url}{ACCOUNT}/{key}", timeout=10).status_code == 200
    deadline = time.monotonic() + 10
    while names(control) == [] and time.monotonic() < deadline:
        time.sleep(0.05)
    assert names(control) == ["A"]


def test_where_each_call_is_about_one_thing_there_is_no_switch_that_fails_one_of_several(control):
    refused = control.call("POST", "faults", {"name": "partial_failure", "operation": "create"})
    said = "partial_failure is no fault switch here; there are latency, too_many,"
    assert refused.status_code == 400 and said in refused.json()["error"]
    assert control.faults() == []
    told = {each["name"]: each["unit"] for each in control.state()["switches"]}
    assert told == {name: unit for name, (_, unit) in SWITCHES.items() if name != "partial_failure"}


def test_times_operation_and_hits(control, caller):
    control.fault("unavailable", "create", times=2)
    assert [caller.create(name).status_code for name in "ABC"] == [503, 503, 201]
    assert caller.limits().status_code == 200
    (fault,) = control.faults()
    assert (fault["hits"], fault["times"], fault["operation"]) == (2, 2, "create")


def test_for_some_seconds_of_the_sandboxes_clock(control, caller):
    control.clock("2026-03-01T09:00:00Z")
    control.fault("unavailable", for_s=60)
    assert caller.limits().status_code == 503
    control.clock("2026-03-01T09:02:00Z")
    assert caller.limits().status_code == 200


@pytest.mark.parametrize("vendor", ["salesforce", "zuora", "netsuite", "avatax", "credit"])
def test_a_switch_for_an_operation_that_the_vendor_does_not_know_is_refused_with_those_it_knows(vendor):
    control = Control(vendor)
    # What tests of that vendor left on is none of its.
    control.calm()
    answer = control.call("POST", "faults", {"name": "unavailable", "operation": "creaet"})
    known = control.state()["operations"]
    assert answer.status_code == 400
    assert (
        answer.json()["error"]
        == f"ValueError: creaet is no operation that unavailable strikes; there are {', '.join(known)}"
    )
    assert len(known) > 1 and known == sorted(known)
    assert control.faults() == []


def test_switching_off_one_and_all(control, caller):
    control.fault("unavailable", "create")
    control.fault("latency", value=1)
    control.calm("unavailable")
    assert caller.create("A").status_code == 201
    assert [fault["name"] for fault in control.faults()] == ["latency"]
    control.calm()
    assert control.faults() == []


def test_times_hold_when_many_call_at_once(control, caller):
    control.fault("unavailable", "create", times=5)
    with ThreadPoolExecutor(8) as pool:
        statuses = list(pool.map(lambda i: Caller(control.url).create(f"A{i}").status_code, range(16)))
    assert sorted(statuses) == [201] * 11 + [503] * 5


# The control address


@pytest.mark.parametrize(
    ("method", "path", "body", "status"),
    [
        ("POST", "faults", {"name": "meteor"}, 400),
        ("POST", "faults", {}, 400),
        ("POST", "faults", [1], 400),
        ("POST", "faults", {"name": "latency", "value": "much"}, 400),
        ("POST", "clock", {"now": "tomorrow"}, 400),
        ("POST", "clock", {"now": "2026-03-01T09:00:00"}, 400),
        ("POST", "seed", {"products": [{"Name": "no code"}]}, 400),
        ("POST", "seed", {"opportunities": [{"Account": "nobody"}]}, 400),
        ("GET", "records", None, 404),
        ("PATCH", "records/Account", {}, 404),
        ("PATCH", "records/Account/none", {"Name": "x"}, 404),
        ("DELETE", "records/Account/none", None, 404),
        ("GET", "nothing", None, 404),
        ("POST", "close-won", {"order_number": "none"}, 400),
    ],
)
def test_what_control_refuses(control, method, path, body, status):
    answer = control.call(method, path, body)
    assert (answer.status_code, bool(answer.json()["error"])) == (status, True)


def test_a_seed_that_is_refused_leaves_nothing(control):
    answer = control.call("POST", "seed", {"accounts": [{"AccountNumber": "C-1", "Name": "A", "Parent": "none"}]})
    assert answer.status_code == 400
    assert names(control) == []


def test_the_page_for_people(control, caller):
    caller.create("A")
    control.fault("latency", value=1)
    page = control.call("GET", "").text
    for word in ("Salesforce sandbox", "Account: 1", "latency", "every operation"):
        assert word in page


def test_edits_go_by_the_vendors_rules(control, caller):
    key = caller.create("A").json()["id"]
    before = control.records("Account")[0]
    after = control.edit("Account", key, Active__c=False)
    assert (after["body"]["Active__c"], after["body"]["Name"]) == (False, "A")
    assert after["body"]["SystemModstamp"] > before["body"]["SystemModstamp"]
    assert control.call("PATCH", f"records/Account/{key}", {"Nope": 1}).status_code == 400
    assert control.state()["editable"]["Account"]["records"][0]["body"]["Active__c"] is False


def test_the_clock_moves_runs_on_and_comes_back(control, caller):
    control.clock("2026-03-01T09:00:00+01:00")
    key = caller.create("A").json()["id"]
    record = caller.session.get(f"{control.url}{ACCOUNT}/{key}", timeout=10).json()
    assert record["CreatedDate"].startswith("2026-03-01T08:00:")
    assert control.state()["now"].startswith("2026-03-01T08:00:")
    control.clock(None)
    assert not control.state()["now"].startswith("2026-03-01")


def test_reset_forgets_everything_and_numbers_begin_anew(control, caller):
    first = caller.create("A").json()["id"]
    control.fault("unavailable")
    control.seed(daily_limit=3)
    control.reset()
    control.seed(apps=[orgs.SECRET_APP])
    assert (names(control), control.faults()) == ([], [])
    fresh = Caller(control.url)
    assert fresh.create("B").json()["id"] == first
    assert fresh.limits().json()["DailyApiRequests"]["Max"] == 15_000


def test_a_reset_among_writes_locks_nobody_out(control):
    """Numbers come from a connection of their own: a reset holds their row, and must not wait for their lock."""
    with store.opened("sandbox_salesforce") as found:
        found.next("thing")
    meanwhile = threading.Thread(target=_take_a_block, daemon=True)

    def reset() -> None:
        with store.opened("sandbox_salesforce") as found:
            found.connection.execute("DELETE FROM sandbox_salesforce.counter")
            meanwhile.start()
            _until_somebody_waits()
            found.clear()

    resetting = threading.Thread(target=reset, daemon=True)
    resetting.start()
    resetting.join(10)
    meanwhile.join(10)
    assert not resetting.is_alive()
    assert not meanwhile.is_alive()


def _take_a_block() -> None:
    """More numbers than a block holds, so that the database is asked."""
    with store.opened("sandbox_salesforce") as found:
        for _ in range(store.Counters.BLOCK + 1):
            found.next("thing")


def _until_somebody_waits() -> None:
    deadline = time.monotonic() + 10
    with psycopg.connect(os.environ["SANDBOX_DATABASE_URL"], autocommit=True) as connection:
        while time.monotonic() < deadline:
            row = connection.execute("SELECT count(*) FROM pg_locks WHERE NOT granted").fetchone()
            if row and row[0]:
                return
            time.sleep(0.02)
    raise AssertionError("nobody waits")


def test_control_wants_its_token_where_one_is_set(monkeypatch, control):
    from q2c.connectors.salesforce.sandbox import sandbox
    from q2c.connectors.sandbox_kit import control as addresses
    from q2c.connectors.sandbox_kit import messages

    def ask(token: str = "", remote: str = "127.0.0.1") -> int:
        environ = {"REMOTE_ADDR": remote}
        headers = {addresses.TOKEN_HEADER: token}
        request = messages.Request("GET", "/_control/faults", {}, headers, b"", "", "", environ)
        return addresses.answer(sandbox, request).status

    assert (ask(), ask(remote="10.0.0.7")) == (200, 403)
    monkeypatch.setenv("SANDBOX_CONTROL_TOKEN", "t0ken")
    assert (ask(), ask("t0ken"), ask("t0ken", "10.0.0.7")) == (403, 200, 200)


# Restarts


def test_what_was_written_is_there_after_a_restart(control, caller, tmp_path):
    from q2c.local import ports
    from q2c.local.guard import Guard
    from q2c.local.sandboxes import Sandboxes

    guard = Guard()
    servers = [
        Sandboxes(tmp_path / str(i), python=Path(sys.executable), guard=guard, ports=ports.Ports(), env=os.environ)
        for i in range(2)
    ]
    made = []
    try:
        for server in servers:
            # One after the other on the same database, as after a crash.
            again = Caller(f"{server.start()}/salesforce")
            made.append(again.create(f"from {server.port}").json()["id"])
            server.stop()
    finally:
        for server in servers:
            server.stop()
        guard.close()
    assert names(control) == [f"from {server.port}" for server in servers]
    # Numbers are not given twice, though the first server had kept some to itself.
    assert len(set(made)) == 2


def test_a_setting_that_was_rolled_back_is_not_remembered(control):
    with pytest.raises(RuntimeError), store.opened("sandbox_salesforce") as found:
        found.set("page_size", 7)
        assert found.setting("page_size") == 7
        raise RuntimeError
    with store.opened("sandbox_salesforce") as found:
        assert found.setting("page_size") is None


def test_what_comes_afterwards_is_done_once_all_is_committed_and_never_of_what_is_rolled_back(control):
    seen = []

    def look() -> None:
        with store.opened("sandbox_salesforce") as other:
            seen.append(other.setting("told"))

    for told, breaks in (("first", False), ("second", True)):
        with suppress(ZeroDivisionError), store.opened("sandbox_salesforce") as written:
            written.set("told", told)
            written.afterwards.append(look)
            assert 1 / (not breaks)
    assert seen == ["first"]


def test_a_taken_number_does_not_spoil_the_transaction(control):
    with store.opened("sandbox_salesforce") as found:
        found.add("thing", "1", {"n": 1}, number="N-1", external_id="E-1")
        for taken in ({"id_": "1"}, {"id_": "2", "number": "N-1"}, {"id_": "3", "external_id": "E-1"}):
            with pytest.raises(store.Duplicate):
                found.add("thing", body={}, **taken)
        found.add("thing", "4", {"n": 4})
    with store.opened("sandbox_salesforce") as found:
        assert [record.id for record in found.all("thing")] == ["1", "4"]
        assert found.by_number("thing", "N-1").id == found.by_external("thing", "E-1").id == "1"
        assert (found.remove("thing", "1"), found.remove("thing", "1"), found.count("thing")) == (True, False, 1)


def test_each_vendor_has_a_schema_of_its_own():
    with psycopg.connect(os.environ["SANDBOX_DATABASE_URL"]) as connection:
        rows = connection.execute("SELECT nspname FROM pg_namespace WHERE nspname LIKE 'sandbox\\_%'").fetchall()
    assert ("sandbox_salesforce",) in rows
