"""The sandbox account as any client sees it: records, SuiteQL, limits."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
from typing import Any

import psycopg
import pytest

from q2c.connectors.netsuite.client import NetSuite
from q2c.connectors.netsuite.sandbox.suiteql import BadQuery, translated
from q2c.connectors.outcomes import Posted
from tests.connectors.netsuite import books

RECORD = "/services/rest/record/v1"
SUITEQL = "/services/rest/query/v1/suiteql"
STRICT = {"X-NetSuite-PropertyNameValidation": "Error"}


def entry(external_id: str = "E-1", **changes: Any) -> dict[str, Any]:
    lines = [
        {"account": {"externalId": "1100"}, "debit": 100, "department": {"externalId": "CC-100"}},
        {"account": {"externalId": "4000"}, "credit": "100.00", "memo": "Sale"},
    ]
    return {
        "externalId": external_id, "subsidiary": {"externalId": "US"}, "currency": {"externalId": "USD"},
        "tranDate": "2026-03-15", "approvalStatus": {"id": "2"}, "memo": "By hand", "line": {"items": lines},
    } | changes  # fmt: skip


def code_of(answer: Any) -> tuple[int, str, str]:
    document = answer.json()
    assert set(document) == {"type", "title", "status", "o:errorDetails"}
    assert document["status"] == answer.status
    (detail,) = document["o:errorDetails"]
    return answer.status, detail["o:errorCode"], detail.get("o:errorPath", "")


def test_a_record_is_created_read_changed_and_deleted(netsuite: NetSuite):
    send = netsuite.session.send
    made = send("POST", f"{RECORD}/journalEntry", entry())
    assert (made.status, made.body) == (204, b"")
    where = made.headers["Location"]
    assert "/services/rest/record/v1/journalEntry/" in where
    plain = send("GET", where).json()
    assert "items" not in plain["line"] and plain["currency"]["refName"] == "US Dollar"
    full = send("GET", f"{RECORD}/journalEntry/eid:E-1?expandSubResources=true").json()
    assert [line.get("debit", line.get("credit")) for line in full["line"]["items"]] == [100, 100]
    assert full["id"] == plain["id"] and full["externalId"] == "E-1"
    assert send("PATCH", where, {"memo": "Changed"}).status == 204
    assert send("GET", f"{where}?fields=memo").json().keys() == {"links", "id", "memo"}
    assert send("DELETE", where).status == 204
    assert code_of(send("GET", where)) == (404, "NONEXISTENT_ID", "")


def test_put_by_external_id_overwrites_what_is_there(account, netsuite):
    """Why the connector never does it: the entry that a person has changed is changed back."""
    send = netsuite.session.send
    first = send("PUT", f"{RECORD}/journalEntry/eid:E-2", entry("other"))
    second = send("PUT", f"{RECORD}/journalEntry/eid:E-2", entry(memo="Again"))
    assert first.status == second.status == 204 and first.headers["Location"] == second.headers["Location"]
    (record,) = account.records("journalEntry")
    assert (record["external_id"], record["body"]["memo"], record["number"]) == ("E-2", "Again", "JE1001")


def changed(index: int, **fields: Any) -> dict[str, Any]:
    document = entry()
    document["line"]["items"][index] |= fields
    return document


REFUSED = [
    ("unbalanced", changed(0, debit=99), (400, "USER_ERROR", "line")),
    ("no lines", entry(line={"items": []}), (400, "USER_ERROR", "line")),
    ("both sides", changed(0, credit=100), (400, "USER_ERROR", "line.items[0]")),
    ("no amount", changed(1, credit=None), (400, "USER_ERROR", "line.items[1]")),
    ("amount of letters", changed(1, credit="ten"), (400, "INVALID_CONTENT", "line.items[1].credit")),
    ("account unknown", changed(1, account={"id": "9999"}), (400, "INVALID_CONTENT", "line.items[1].account")),
    ("account inactive", changed(1, account={"externalId": "4900"}), (400, "USER_ERROR", "line.items[1]")),
    ("department inactive", changed(0, department={"externalId": "CC-900"}), (400, "USER_ERROR", "line.items[0]")),
    ("class unknown", changed(0, **{"class": {"externalId": "x"}}), (400, "INVALID_CONTENT", "line.items[0].class")),
    ("customer unknown", changed(0, entity={"externalId": "x"}), (400, "INVALID_CONTENT", "line.items[0].entity")),
    ("closed period", entry(tranDate="2026-02-10"), (400, "USER_ERROR", "postingPeriod")),
    ("no period", entry(tranDate="2031-02-10"), (400, "USER_ERROR", "postingPeriod")),
    ("another period", entry(postingPeriod={"externalId": "Apr 2026"}), (400, "USER_ERROR", "tranDate")),
    ("no date", entry(tranDate=""), (400, "USER_ERROR", "tranDate")),
    ("no subsidiary", entry(subsidiary=None), (400, "USER_ERROR", "subsidiary")),
    ("subsidiary unknown", entry(subsidiary={"id": "77"}), (400, "INVALID_CONTENT", "subsidiary")),
    ("property unknown", entry(colour="red"), (400, "INVALID_CONTENT", "colour")),
    ("property of a line unknown", changed(0, colour="red"), (400, "INVALID_CONTENT", "line.items[0].colour")),
    ("no object", [1], (400, "INVALID_CONTENT", "")),
]


@pytest.mark.parametrize(("document", "told"), [row[1:] for row in REFUSED], ids=[row[0] for row in REFUSED])
def test_a_journal_is_refused_with_its_place(account, netsuite, document, told):
    assert code_of(netsuite.session.send("POST", f"{RECORD}/journalEntry", document, STRICT)) == told
    assert account.records("journalEntry") == []


def test_an_external_id_is_there_once(account, netsuite):
    send = netsuite.session.send
    assert send("POST", f"{RECORD}/journalEntry", entry()).status == 204
    assert code_of(send("POST", f"{RECORD}/journalEntry", entry())) == (400, "USER_ERROR", "externalId")
    assert send("POST", f"{RECORD}/journalEntry", entry("")).status == 204
    assert send("POST", f"{RECORD}/journalEntry", entry("")).status == 204, "without one, anything goes twice"


def test_an_idempotency_key_is_nothing_to_a_synchronous_request(account, netsuite):
    key = {"X-NetSuite-Idempotency-Key": "4c9e7e50-0000-4000-8000-000000000000"}
    for name in ("E-1", "E-2"):
        assert netsuite.session.send("POST", f"{RECORD}/journalEntry", entry(name), key).status == 204
    assert len(account.records("journalEntry")) == 2


def test_an_entry_of_a_closed_period_stays_as_it_is(account, netsuite):
    send = netsuite.session.send
    where = send("POST", f"{RECORD}/journalEntry", entry()).headers["Location"]
    account.edit("accountingPeriod", "Mar 2026", closed=True)
    assert code_of(send("PATCH", where, {"memo": "x"}))[1] == "USER_ERROR"
    assert code_of(send("PATCH", where, {"tranDate": "2026-04-01"}))[1] == "USER_ERROR"
    assert code_of(send("DELETE", where))[1] == "USER_ERROR"


def test_lines_are_changed_one_by_one_or_replaced(account, netsuite):
    send = netsuite.session.send
    where = send("POST", f"{RECORD}/journalEntry", entry()).headers["Location"]
    assert send("PATCH", where, {"line": {"items": [{"line": 2, "memo": "changed"}]}}).status == 204
    assert [line.get("memo") for line in account.records("journalEntry")[0]["body"]["line"]["items"]] == [
        None,
        "changed",
    ]
    other = changed(0, debit=5)
    other["line"]["items"][1]["credit"] = 5
    assert send("PATCH", f"{where}?replace=line", {"line": other["line"]}).status == 204
    assert [line.get("debit") for line in account.records("journalEntry")[0]["body"]["line"]["items"]] == [5, None]


def test_customers_know_their_parents_and_no_loop(netsuite):
    send = netsuite.session.send
    body = {"companyName": "A", "externalId": "A", "subsidiary": {"externalId": "US"}}
    assert send("POST", f"{RECORD}/customer", body).status == 204
    assert send("POST", f"{RECORD}/customer", body | {"externalId": "B"}).status == 400, "its name is taken"
    child = body | {"companyName": "B", "externalId": "B", "parent": {"externalId": "A"}}
    assert send("POST", f"{RECORD}/customer", child).status == 204
    assert send("PATCH", f"{RECORD}/customer/eid:A", {"parent": {"externalId": "B"}}).status == 400
    assert send("PATCH", f"{RECORD}/customer/eid:A", {"entityId": "B"}).status == 400
    assert send("GET", f"{RECORD}/customer/eid:B").json()["parent"]["refName"] == "A"


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [("GET", "journalEntry?limit=0", 400), ("GET", "nothing", 404), ("POST", "account", 405), ("GET", "x/y/z", 404),
     ("DELETE", "currency/1", 405), ("GET", "currency/999", 404)],
)  # fmt: skip
def test_addresses_that_are_not_there(netsuite, method, path, status):
    answer = netsuite.session.send(method, f"{RECORD}/{path}", {} if method == "POST" else None)
    assert code_of(answer)[0] == status


def test_a_collection_has_ids_and_links(netsuite):
    found = netsuite.session.send("GET", f"{RECORD}/currency?limit=2&offset=2").json()
    assert (found["count"], found["totalResults"], found["hasMore"]) == (2, 4, False)
    assert set(found["items"][0]) == {"links", "id"}


# SuiteQL


def query(netsuite: NetSuite, text: str, paging: str = "", **headers: str) -> Any:
    return netsuite.session.send("POST", f"{SUITEQL}{paging}", {"q": text}, {"Prefer": "transient", **headers})


def test_rows_are_text_and_nulls_are_left_out(netsuite):
    netsuite.session.send("POST", f"{RECORD}/journalEntry", entry())
    found = query(
        netsuite,
        "SELECT t.ID, t.tranDate, BUILTIN.DF(t.currency) AS cur, BUILTIN.DF(tl.department), tl.memo, tal.debit "
        "FROM Transaction t JOIN TransactionAccountingLine tal ON tal.transaction = t.id "
        "JOIN TransactionLine tl ON tl.transaction = t.id AND tl.id = tal.transactionline ORDER BY tl.id",
    ).json()
    one, two = found["items"]
    assert one | {"id": ""} == {
        "links": [], "id": "", "trandate": "3/15/2026", "cur": "US Dollar", "department": "CC-100", "debit": "100",
    }  # fmt: skip
    assert two["memo"] == "Sale" and "debit" not in two and "department" not in two


@pytest.mark.parametrize(
    ("text", "rows"),
    [
        ("SELECT acctnumber FROM account WHERE isinactive = 'T'", [{"acctnumber": "4900"}]),
        ("SELECT COUNT(*) AS n FROM account", [{"n": "5"}]),
        ("SELECT NVL(NULL, 'x') AS v FROM dual", [{"v": "x"}]),
        ("SELECT accttype, COUNT(*) AS n FROM account GROUP BY accttype HAVING COUNT(*) > 1", [{"accttype": "Income", "n": "3"}]),
        ("SELECT symbol FROM currency ORDER BY symbol DESC FETCH FIRST 1 ROWS ONLY", [{"symbol": "USD"}]),
        ("SELECT s.name, c.symbol FROM subsidiary s JOIN currency c ON c.id = s.currency WHERE s.externalid = 'DE'",
         [{"name": "Tern Systems GmbH", "symbol": "EUR"}]),
        ("SELECT name FROM department WHERE name LIKE '%410' OR name = 'it''s'", [{"name": "CC-410"}]),
        ("SELECT periodname FROM accountingperiod WHERE closed = 'F' AND startdate <= TO_DATE('2026-03-02', 'YYYY-MM-DD')",
         [{"periodname": "Mar 2026"}]),
        ("SELECT TO_CHAR(startdate, 'YYYY-MM') AS m FROM accountingperiod WHERE id = '4'", [{"m": "2026-04"}]),
    ],
)  # fmt: skip
def test_queries_of_the_usual_kinds(netsuite, text, rows):
    found = query(netsuite, text).json()
    assert [{k: v for k, v in row.items() if k != "links"} for row in found["items"]] == rows


@pytest.mark.parametrize(
    "text",
    ["", "DELETE FROM account", "SELECT 1; SELECT 2", "SELECT nothing FROM account", "SELECT * FROM nowhere",
     "SELECT * FROM pg_roles", "SELECT set_config('a', 'b', false) FROM dual", "SELECT 1 -- x", "SELECT /* x */ 1",
     "SELECT * FROM sandbox_netsuite.record", "SELECT 'open", "WITH x AS (DELETE FROM account) SELECT 1 FROM dual",
     "SELECT * FROM account, public.q2c_event", "SELECT lo_get(1) FROM dual",
     "SELECT BUILTIN.CURRENCY(1) FROM dual", "SELECT query_to_xml('select 1', true, true, '') FROM dual"],
)  # fmt: skip
def test_what_is_no_query_is_refused(netsuite, text):
    assert code_of(query(netsuite, text)) == (400, "INVALID_PARAMETER", "")


def test_only_strings_are_read_as_strings():
    found = translated("SELECT 'it''s', t.nvl FROM transaction t")
    assert found.values == ("it's",) and "t . nvl" in found.sql
    with pytest.raises(BadQuery):
        translated('SELECT "x" FROM dual')


def test_pages_are_whole_and_in_order(account, netsuite):
    """The connector reads past the thousand rows of a page."""
    account.seed(departments=[{"key": f"D-{n:04}"} for n in range(2103)])
    rows = netsuite.suiteql.rows("SELECT id, externalid FROM department WHERE externalid LIKE 'D-%' ORDER BY id")
    assert [row["externalid"] for row in rows] == [f"D-{n:04}" for n in range(2103)]
    page = query(netsuite, "SELECT id FROM department ORDER BY id", "?limit=1000&offset=2000").json()
    assert (page["count"], page["hasMore"], page["totalResults"]) == (106, False, 2106)
    beyond = query(netsuite, "SELECT id FROM department ORDER BY id", "?limit=1000&offset=3000").json()
    assert (beyond["count"], beyond["totalResults"]) == (0, 2106)


@pytest.mark.parametrize("paging", ["?limit=1001", "?limit=0", "?limit=10&offset=5", "?offset=-1", "?limit=x"])
def test_a_page_that_cannot_be(netsuite, paging):
    assert code_of(query(netsuite, "SELECT id FROM account", paging))[1] == "INVALID_PARAMETER"


def test_transient_must_be_asked_for(netsuite):
    assert code_of(query(netsuite, "SELECT 1 AS n FROM dual", Prefer="respond-async"))[0] == 400


# Limits and lag


def test_more_requests_at_a_time_than_the_account_has_are_blocked(account, netsuite):
    account.seed(concurrency_limit=2)
    account.fault("latency", "suiteql", value=400)
    statuses: list[int] = []

    def ask() -> None:
        statuses.append(query(netsuite, "SELECT 1 AS n FROM dual").status)

    threads = [threading.Thread(target=ask) for _ in range(5)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(set(statuses)) == [200, 429] and statuses.count(200) >= 2
    account.calm()
    assert query(netsuite, "SELECT 1 AS n FROM dual").status == 200


def test_a_new_entry_is_hidden_from_search_and_still_unique(account, netsuite):
    account.fault("search_lag", "create_journal", value=60, times=1)
    journal = books.journal()
    netsuite.post([journal])
    send = netsuite.session.send
    assert code_of(send("GET", f"{RECORD}/journalEntry/eid:{journal.key}"))[0] == 404
    assert query(netsuite, "SELECT id FROM transaction").json()["items"] == []
    assert code_of(send("POST", f"{RECORD}/journalEntry", entry(journal.key)))[2] == "externalId"
    assert isinstance(netsuite.post([books.journal("2")])[0], Posted)


def test_a_new_version_of_the_sandbox_finds_the_entries_of_the_old_one(account, netsuite):
    netsuite.post([books.journal()])
    with psycopg.connect(os.environ["SANDBOX_DATABASE_URL"]) as connection:
        connection.execute("COMMENT ON SCHEMA sandbox_netsuite_suiteql IS 'older'")
        connection.execute("DELETE FROM sandbox_netsuite.journal_line")
    start = "from q2c.connectors.netsuite.sandbox import sandbox; sandbox.start()"
    subprocess.run([sys.executable, "-c", start], check=True, timeout=60)
    assert isinstance(netsuite.find([books.journal()])[0], Posted)
