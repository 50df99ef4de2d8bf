"""What a real Tryton does, and what we make of it."""

from __future__ import annotations

import datetime as dt
import uuid
from collections.abc import Iterator
from typing import Any

import psycopg
import pytest

from q2c.connectors.outcomes import NotFound, Posted, Rejected, Unavailable
from q2c.connectors.tryton import checks, mapping
from q2c.connectors.tryton.client import MOVE, Tryton
from q2c.contracts.documents import JournalDocument
from q2c.reasons import Reason
from tests.connectors.control import Control
from tests.connectors.tryton import documents, erp


@pytest.fixture
def tryton() -> Iterator[Tryton]:
    control = Control("tryton")
    control.reset()
    control.seed(upstream=erp.tryton().url())
    connector = documents.connect()
    connector.put_customer(documents.customer(), "key")
    yield connector
    control.reset()


def journal(**more: Any) -> JournalDocument:
    return documents.journal(f"r{uuid.uuid4().hex}", **more)


def sent(connector: Tryton, document: JournalDocument) -> Any:
    """As it is sent, whatever was checked before."""
    found = checks.Found(connector.masters, document.entity, [document], connector.roots, fresh=True)
    return connector.door.create(MOVE, mapping.move_of(document, found), found.company["id"])


def test_a_journal_stands_there_as_it_was_sent(tryton: Tryton) -> None:
    document = journal(currency="USD")
    (said,) = tryton.post([document])
    assert isinstance(said, Posted) and not said.found and said.document.startswith("2026/")
    ((number, date, state),) = erp.sql("SELECT number, date, state FROM account_move WHERE id = %s", [said.reference])
    assert (number, date, state) == (said.document, dt.date(2026, 3, 10), "posted")
    lines = erp.sql(
        "SELECT a.code, l.debit, l.credit, l.amount_second_currency, p.code FROM account_move_line l "
        "JOIN account_account a ON a.id = l.account LEFT JOIN party_party p ON p.id = l.party WHERE l.move = %s "
        "ORDER BY a.code", [said.reference],
    )  # fmt: skip
    assert [tuple(str(each) for each in line) for line in lines] == [
        ("1100", "1150.00", "0", "1250.00", "C-1"), ("2410", "0", "1150.00", "-1250.00", "None")
    ]  # fmt: skip
    analytic = erp.sql(
        "SELECT a.code, n.credit FROM analytic_account_line n JOIN analytic_account_account a ON a.id = n.account "
        "JOIN account_move_line l ON l.id = n.move_line WHERE l.move = %s ORDER BY a.code", [said.reference],
    )  # fmt: skip
    assert [(code, str(credit)) for code, credit in analytic] == [
        ("CC-100", "1150.00"), ("EMEA", "1150.00"), ("subscription", "1150.00")
    ]  # fmt: skip
    assert said.proof["compared"]["functional amounts"] == "EUR"


@pytest.mark.parametrize(("field", "dead"), [("active", False), ("state", "closed")])
def test_it_posts_to_a_dead_cost_centre_without_a_word_so_we_do_not_send_it(
    tryton: Tryton, field: str, dead: Any
) -> None:
    greta, document = erp.Person(), journal()
    cost_centre = greta.ids("analytic_account.account", ["code", "=", "CC-100"], ["active", "in", [True, False]])
    alive = {"active": True, "state": "opened"}[field]
    greta.does("analytic_account.account", "write", cost_centre, {field: dead})
    try:
        taken = journal()
        answer = sent(tryton, taken)
        assert answer.status == 200, "Tryton itself refuses nothing"
        erp.sql("DELETE FROM account_move WHERE description LIKE %s", [f"{taken.key}%"])
        (refused,) = tryton.post([document])
        assert isinstance(refused, Rejected) and refused.reason == Reason.DIMENSION_INACTIVE
        assert refused.blocker is not None and refused.blocker.object_key == "DE:CC-100"
        assert erp.moves(document.key) == []
    finally:
        greta.does("analytic_account.account", "write", cost_centre, {field: alive})


def test_a_draft_that_is_not_posted_is_deleted_so_that_people_can_close_the_month(tryton: Tryton) -> None:
    """The move does not balance: it is taken as a draft, and refused when it is posted."""
    lines = (documents.sale(125_000, "EUR")[0], documents.sale(124_900, "EUR")[1])
    document = journal(effective_on=dt.date(2026, 5, 5), lines=lines)
    (refused,) = tryton.post([document])
    assert isinstance(refused, Rejected) and "balance" in refused.text
    assert erp.moves(document.key) == []
    greta = erp.Person()
    months = greta.ids("account.period", ["name", "=", "2026-05"])
    greta.does("account.period", "close", months)
    greta.does("account.period", "reopen", months)


def test_a_draft_of_a_lost_try_is_deleted_when_it_is_looked_up(tryton: Tryton) -> None:
    document = journal()
    assert sent(tryton, document).status == 200
    assert [state for _, state, _ in erp.moves(document.key)] == ["draft"]
    # A dry run beside the worker that is about to post it deletes nothing.
    (seen,) = tryton.find([document], only_reading=True)
    assert isinstance(seen, NotFound) and [state for _, state, _ in erp.moves(document.key)] == ["draft"]
    (found,) = tryton.find([document])
    assert isinstance(found, NotFound) and erp.moves(document.key) == []


def test_a_month_that_is_reopened_is_not_open_before_the_journal_in_it_is(tryton: Tryton) -> None:
    day, greta = dt.date(2026, 6, 9), erp.Person()
    assert isinstance(tryton.post([journal(effective_on=day)])[0], Posted)
    months = greta.ids("account.period", ["name", "=", "2026-06"])
    greta.does("account.period", "close", months)
    greta.does("account.period", "reopen", months)
    document = journal(effective_on=day)
    for refused in (tryton.check([document], whole=True)[0], tryton.post([document])[0]):
        assert isinstance(refused, Rejected) and refused.reason == Reason.PERIOD_CLOSED
        assert "the journal in it is closed" in refused.text
        assert refused.blocker is not None and tryton.still_blocked(refused.blocker) is True
    of_journals = greta.ids("account.journal.period", ["period", "in", months])
    greta.does("account.journal.period", "reopen", of_journals)
    assert isinstance(tryton.post([document])[0], Posted)


@pytest.mark.parametrize("language", ["en", "de", "fr"])
def test_a_refusal_is_told_by_what_is_read_and_not_by_its_sentence(
    tryton: Tryton, language: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The month is closed after it was read; the text of the refusal is whatever the language makes of it."""
    day, greta = dt.date(2026, 7, 7), erp.Person()
    months = greta.ids("account.period", ["name", "=", "2026-07"])
    assert tryton.check([journal(effective_on=day)]) == [None]
    real = tryton.door.http.send

    def spoken(*arguments: Any, headers: dict[str, str], **more: Any) -> Any:
        return real(*arguments, headers={**headers, "Accept-Language": language}, **more)

    monkeypatch.setattr(tryton.door.http, "send", spoken)
    greta.does("account.period", "close", months)
    try:
        document = journal(effective_on=day)
        (refused,) = tryton.post([document])
        assert isinstance(refused, Rejected) and refused.reason == Reason.PERIOD_CLOSED
        assert refused.code == "400", "it was sent, and refused there"
        assert erp.moves(document.key) == []
    finally:
        greta.does("account.period", "reopen", months)
        used = greta.ids("account.journal.period", ["period", "in", months])
        if used:
            greta.does("account.journal.period", "reopen", used)


def test_a_lock_is_no_outage_and_leaves_nothing_behind(tryton: Tryton) -> None:
    """Somebody else holds what every posting of the year needs: 503, and nothing is there."""
    assert isinstance(tryton.post([journal()])[0], Posted)
    document = journal()
    with psycopg.connect(erp.address()) as connection:
        connection.execute("LOCK TABLE account_journal_period IN ACCESS EXCLUSIVE MODE")
        (busy,) = documents.connect().post([document])
        assert isinstance(busy, Unavailable) and busy.reason in (Reason.PLATFORM_BUSY, Reason.PLATFORM_UNAVAILABLE), (
            busy
        )
        connection.rollback()
    assert erp.moves(document.key) == []
    assert isinstance(tryton.post([document])[0], Posted)


def test_two_moves_under_one_key_are_told(tryton: Tryton) -> None:
    """Nothing there keeps them apart: a person may have copied one."""
    document = journal()
    (said,) = tryton.post([document])
    assert isinstance(said, Posted)
    copy = sent(tryton, document).json()["id"]
    tryton.door.act(MOVE, copy, "post", 2)
    (found,) = tryton.find([document])
    assert isinstance(found, Rejected) and found.held and "2 moves" in found.text


def test_what_is_known_and_what_stands_in_the_way(tryton: Tryton) -> None:
    assert tryton.known("cost_center", ["CC-100", "CC-999"]) == {"CC-100": "active", "CC-999": "missing"}
    assert tryton.known("item", ["X"]) == {}
    unknown = journal(effective_on=dt.date(2031, 1, 1))
    (missing,) = tryton.check([unknown])
    assert isinstance(missing, Rejected) and missing.reason == Reason.PERIOD_MISSING
    (elsewhere,) = tryton.check([journal(entity="XX")])
    assert isinstance(elsewhere, Rejected) and "Company XX is not known" in elsewhere.text.replace("  ", " ")
    (other_books,) = tryton.check([journal(entity="UK")])
    assert isinstance(other_books, Rejected) and "keeps its books in GBP" in other_books.text


def test_a_wrong_key_is_told_as_such() -> None:
    Control("tryton").seed(upstream=erp.tryton().url())
    said = documents.connect(credentials={"key": "wrong"}).probe()
    assert isinstance(said, Rejected) and said.reason == Reason.CREDENTIALS_REFUSED


def test_a_customer_is_one_party_for_all_companies(tryton: Tryton) -> None:
    """Whose legal entity keeps no books there, too: a party has no company."""
    key = f"C-{uuid.uuid4().hex[:8]}"
    new, there = (tryton.put_customer(documents.customer(key, legal_entity=entity), "key") for entity in ("XX", "UK"))
    assert isinstance(new, Posted) and not new.found
    assert isinstance(there, Posted) and there.found and there.reference == new.reference
    assert erp.sql("SELECT id::text FROM party_party WHERE code = %s", [key]) == [(new.reference,)]
