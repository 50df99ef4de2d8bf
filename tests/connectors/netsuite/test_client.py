"""The NetSuite connector against its sandbox, over HTTP."""

from __future__ import annotations

import datetime as dt
from decimal import Decimal

import pytest
from msgspec.structs import replace

from q2c import money
from q2c.connectors import kept
from q2c.connectors.calls import recording
from q2c.connectors.outcomes import Blocker, NotFound, Posted, Rejected, Unavailable, Unknown
from q2c.contracts.documents import JournalLine
from q2c.reasons import Reason
from tests.connectors.netsuite import books


@pytest.mark.parametrize("oauth2", ["", "ES256", "PS256"], ids=["token", "ES256", "PS256"])
def test_a_journal_is_checked_posted_once_and_found(account, oauth2):
    netsuite, journal = books.connect(oauth2=oauth2), books.journal()
    assert netsuite.probe() is None
    assert netsuite.check([journal]) == [None]
    assert isinstance(netsuite.find([journal])[0], NotFound)
    (posted,) = netsuite.post([journal])
    assert isinstance(posted, Posted), posted
    assert posted.document.startswith("JE") and not posted.found
    assert posted.proof["posted_as"] == posted.reference and posted.proof["compared"]["lines"] == 2
    (found,) = netsuite.find([journal])
    assert isinstance(found, Posted) and found.found
    assert found.reference == posted.reference
    (again,) = netsuite.post([journal])
    assert isinstance(again, Posted) and again.found, again
    assert len(account.records("journalEntry")) == 1


def test_a_journal_costs_two_requests_when_its_master_data_is_known(netsuite):
    netsuite.check([books.journal("first")])
    with recording() as attempts:
        assert netsuite.check([books.journal()]) == [None]
        netsuite.post([books.journal()])
    assert [attempt.operation for attempt in attempts] == ["create_journalEntry", "suiteql"]


def test_many_journals_are_checked_and_found_together(netsuite):
    journals = [books.journal(str(n)) for n in range(120)]
    with recording() as attempts:
        assert netsuite.check(journals) == [None] * 120
    assert len(attempts) <= 7
    netsuite.post(journals[::2])
    with recording() as attempts:
        found = netsuite.find(journals)
    assert len(attempts) == 3
    assert [type(each) for each in found] == [Posted, NotFound] * 60


# Amounts


@pytest.mark.parametrize(
    ("currency", "entity", "minor", "digits"),
    [("USD", "US", 125_001, "1250.01"), ("JPY", "JP", 125_001, "125001"), ("KWD", "US", 125_001, "125.001"),
     ("EUR", "DE", 1, "0.01"), ("USD", "US", 99_999_999_999_999, "999999999999.99")],
)  # fmt: skip
def test_amounts_keep_their_currency_s_decimals(account, netsuite, currency, entity, minor, digits):
    journal = books.journal(currency, *books.sale(minor), currency=currency, entity=entity)
    assert money.exponent(currency) == len(digits.partition(".")[2])
    with recording() as attempts:
        assert isinstance(netsuite.post([journal])[0], Posted)
    (sent,) = [a.request_body for a in attempts if a.operation == "create_journalEntry"]
    assert f'"debit":{digits}' in sent and f'"credit":{digits}' in sent
    assert isinstance(netsuite.find([journal])[0], Posted)


def test_a_foreign_currency_is_compared_as_it_was_sent_and_booked_at_our_rate(account, netsuite):
    """EUR in the US books: the accounting lines are in dollars, the transaction's lines in euros."""
    journal = books.journal(
        "eur", *books.sale(33_333), currency="EUR", exchange_rate=Decimal("1.0837"), functional_currency="USD"
    )
    assert isinstance(netsuite.post([journal])[0], Posted)
    rows = netsuite.suiteql.rows(
        "SELECT tal.debit, tl.foreignamount, t.exchangerate FROM transaction t "
        "JOIN transactionaccountingline tal ON tal.transaction = t.id "
        "JOIN transactionline tl ON tl.transaction = t.id AND tl.id = tal.transactionline "
        f"WHERE t.externalid = '{journal.key}' AND tal.debit > 0"
    )
    # 333.33 × 1.0837 = 361.2297…
    assert [(r["debit"], r["foreignamount"], r["exchangerate"]) for r in rows] == [("361.23", "333.33", "1.0837")]


@pytest.mark.parametrize(
    ("there", "told"),
    [(1.0837, ""), (1.083700004, ""), (1.0838, "1.0838"), (1, "1"), (10.837, "10.837")],
)
def test_a_rate_is_compared_to_the_precision_it_is_kept_in(account, netsuite, there, told):
    journal = books.journal(
        "rate", *books.sale(33_333), currency="EUR", exchange_rate=Decimal("1.0837"), functional_currency="USD"
    )
    (posted,) = netsuite.post([journal])
    account.edit("journalEntry", posted.reference, exchangeRate=there)
    (outcome,) = netsuite.find([journal])
    if told:
        assert isinstance(outcome, Rejected) and outcome.reason == Reason.CONTENT_DIFFERS
        assert f"exchange rate {told} instead of 1.0837" in outcome.text
    else:
        assert isinstance(outcome, Posted), outcome


def test_our_own_currency_sends_no_rate(netsuite):
    journal = books.journal(exchange_rate=Decimal(1), functional_currency="USD")
    with recording() as attempts:
        netsuite.post([journal])
    assert "exchangeRate" not in next(a.request_body for a in attempts if a.operation == "create_journalEntry")


def test_equal_lines_are_counted_not_merged(netsuite):
    lines = tuple(
        JournalLine(line=n, account=account, amount_minor=minor)
        for n, (account, minor) in enumerate([("1100", 500), ("1100", 500), ("4000", -1000)], start=1)
    )
    journal = books.journal("two", *lines)
    assert isinstance(netsuite.post([journal])[0], Posted)
    merged = replace(
        journal, lines=(replace(lines[0], amount_minor=1000), replace(lines[2], line=2))
    )  # fmt: skip
    (outcome,) = netsuite.find([merged])
    assert isinstance(outcome, Rejected) and "2 × line 1100 500 is there instead" in outcome.text


# Checks


def line_with(account: str = "4000", **dimensions: str) -> tuple[JournalLine, ...]:
    debit, credit = books.sale(100)
    return debit, replace(credit, account=account, dimensions=dimensions)


CHECKS = [
    ("account unknown", {"lines": line_with("9999")}, Reason.ACCOUNT_UNKNOWN, ("account", "9999", "unknown")),
    ("account inactive", {"lines": line_with("4900")}, Reason.ACCOUNT_INACTIVE, ("account", "4900", "inactive")),
    ("cost center inactive", {"lines": line_with(cost_center="CC-900")}, Reason.DIMENSION_INACTIVE,
     ("cost_center", "CC-900", "inactive")),
    ("product line unknown", {"lines": line_with(product_line="x'y")}, Reason.DIMENSION_MISSING,
     ("product_line", "x'y", "unknown")),
    ("region unknown", {"lines": line_with(region="MARS")}, Reason.DIMENSION_MISSING, ("region", "MARS", "unknown")),
    ("period closed", {"effective_on": dt.date(2026, 2, 28)}, Reason.PERIOD_CLOSED,
     ("fiscal_period", "Feb 2026", "closed")),
    ("period missing", {"effective_on": dt.date(2031, 1, 1)}, Reason.PERIOD_MISSING,
     ("fiscal_period", "2031-01", "missing")),
    ("subsidiary unknown", {"entity": "FR"}, Reason.JOURNAL_REFUSED, ("subsidiary", "FR", "unknown")),
    ("currency unknown", {"currency": "CHF"}, Reason.JOURNAL_REFUSED, ("currency", "CHF", "unknown")),
]  # fmt: skip


@pytest.mark.parametrize(("changes", "reason", "blocker"), [c[1:] for c in CHECKS], ids=[c[0] for c in CHECKS])
def test_what_would_be_refused_is_named_and_the_ledger_agrees(account, netsuite, changes, reason, blocker):
    bad, good = books.journal("bad", **changes), books.journal("good")
    finding, fine = netsuite.check([bad, good])
    assert fine is None
    assert isinstance(finding, Rejected) and finding.reason == reason, finding
    assert finding.blocker == Blocker(
        connection="erp", object_type=blocker[0], object_key=blocker[1], condition=blocker[2]
    )
    assert netsuite.still_blocked(finding.blocker) is True
    (sent,) = netsuite.post([bad])
    assert isinstance(sent, Rejected) and sent.blocker == finding.blocker, sent
    assert account.records("journalEntry") == []


def test_a_repaired_object_blocks_no_more(account, netsuite):
    for changes, kind, key, field in (
        ({"lines": line_with("4900")}, "account", "4900", {"isInactive": False}),
        ({"lines": line_with(cost_center="CC-900")}, "department", "CC-900", {"isInactive": False}),
        ({"effective_on": dt.date(2026, 2, 28)}, "accountingPeriod", "Feb 2026", {"closed": False}),
    ):
        journal = books.journal(kind, **changes)
        (finding,) = netsuite.check([journal])
        account.edit(kind, key, **field)
        assert netsuite.still_blocked(finding.blocker) is False
        assert netsuite.check([journal]) == [None]
        assert isinstance(netsuite.post([journal])[0], Posted)


def test_what_went_dead_a_moment_ago_is_refused_by_the_ledger_under_our_names(account, netsuite):
    journal = books.journal()
    assert netsuite.check([journal]) == [None]
    account.edit("account", "4000", isInactive=True)
    assert netsuite.check([journal]) == [None], "kept for a few seconds"
    (outcome,) = netsuite.post([journal])
    assert isinstance(outcome, Rejected) and outcome.reason == Reason.ACCOUNT_INACTIVE
    assert outcome.blocker is not None and outcome.blocker.object_key == "4000"
    assert outcome.code == "USER_ERROR" and "Invalid Field Value" in outcome.text
    (checked,) = netsuite.check([journal])
    assert isinstance(checked, Rejected) and checked.blocker == outcome.blocker


def test_what_is_kept_is_forgotten_after_seconds(account, netsuite, monkeypatch):
    monkeypatch.setattr(kept, "KEEP_S", 0.0)
    journal = books.journal()
    assert netsuite.check([journal]) == [None]
    account.edit("account", "4000", isInactive=True)
    assert isinstance(netsuite.check([journal])[0], Rejected)


@pytest.mark.parametrize(
    ("edit", "reason", "kind"),
    [
        (("customer", "C-100", {"isInactive": True}), Reason.CUSTOMER_INACTIVE, "customer"),
        (("accountingPeriod", "Mar 2026", {"lockedSubsidiaries": ["US"]}), Reason.PERIOD_CLOSED, "fiscal_period"),
        (("accountingPeriod", "Mar 2026", {"allLocked": True}), Reason.PERIOD_CLOSED, "fiscal_period"),
    ],
    ids=["customer inactive", "locked for a subsidiary", "locked for all"],
)
def test_what_only_the_ledger_can_tell_is_told_by_it(account, netsuite, edit, reason, kind):
    netsuite.check([books.journal()])
    account.edit(edit[0], edit[1], **edit[2])
    (outcome,) = netsuite.post([books.journal()])
    assert isinstance(outcome, Rejected) and outcome.reason == reason, outcome
    assert outcome.blocker is not None and outcome.blocker.object_type == kind
    assert account.records("journalEntry") == []


def test_a_lock_of_one_subsidiary_cannot_be_read_and_is_not_guessed(account, netsuite):
    account.edit("accountingPeriod", "Mar 2026", lockedSubsidiaries=["US"])
    (outcome,) = netsuite.post([books.journal()])
    assert isinstance(outcome, Rejected) and outcome.blocker is not None
    assert outcome.blocker.condition == "locked"
    assert netsuite.still_blocked(outcome.blocker) is None
    assert isinstance(netsuite.post([books.journal("de", entity="DE", currency="EUR")])[0], Posted)


def test_an_account_of_another_subsidiary_and_a_currency_it_does_not_use_are_refused(account, netsuite):
    journal = books.journal("d", *line_with("4700"), entity="DE", currency="EUR")
    (outcome,) = netsuite.post([journal])
    assert isinstance(outcome, Rejected) and outcome.reason == Reason.ACCOUNT_UNKNOWN, outcome
    (outcome,) = netsuite.post([books.journal("k", entity="DE", currency="KWD")])
    assert isinstance(outcome, Rejected) and outcome.reason == Reason.JOURNAL_REFUSED
    assert "field: currency" in outcome.text
    assert account.records("journalEntry") == []


def test_an_unbalanced_journal_is_refused(netsuite):
    debit, credit = books.sale(100)
    (outcome,) = netsuite.post([books.journal("u", debit, replace(credit, amount_minor=-99))])
    assert isinstance(outcome, Rejected) and outcome.reason == Reason.JOURNAL_UNBALANCED


# Read back


def test_a_journal_that_waits_for_approval_is_not_called_posted(account, netsuite):
    journal = books.journal()
    (posted,) = netsuite.post([journal])
    account.edit("journalEntry", posted.reference, approvalStatus={"id": "1"})
    (found,) = netsuite.find([journal])
    assert isinstance(found, Rejected) and found.reason == Reason.CONTENT_DIFFERS
    assert found.blocker is not None and found.blocker.condition == "pending_approval"
    assert netsuite.still_blocked(found.blocker) is True
    account.edit("journalEntry", posted.reference, approvalStatus={"id": "2"})
    assert netsuite.still_blocked(found.blocker) is False
    assert isinstance(netsuite.find([journal])[0], Posted)


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"effective_on": dt.date(2026, 3, 16)}, "date 2026-03-15 instead of 2026-03-16"),
        ({"entity": "JP"}, "subsidiary US instead of JP"),
        ({"currency": "EUR"}, "currency USD instead of EUR"),
        ({"lines": books.sale(125_000, cost_center="CC-410")}, "line 4000 -125000 CC-410 platform is missing"),
        ({"lines": books.sale(125_000, region="EMEA")}, "EMEA is missing"),
        ({"lines": books.sale(125_001)}, "line 1100 125001 C-100 is missing"),
    ],
)
def test_other_content_is_told_in_words(netsuite, changes, said):
    assert isinstance(netsuite.post([books.journal()])[0], Posted)
    (found,) = netsuite.find([books.journal(**changes)])
    assert isinstance(found, Rejected) and found.reason == Reason.CONTENT_DIFFERS
    assert said in found.text
    assert found.text.startswith("NetSuite holds JE")


def test_a_read_back_that_fails_leaves_the_outcome_unknown(account, netsuite):
    netsuite.check([books.journal()])
    account.fault("unavailable", "suiteql")
    (outcome,) = netsuite.post([books.journal()])
    assert isinstance(outcome, Unknown), outcome
    assert isinstance(netsuite.find([books.journal()])[0], Unavailable)
    assert (
        netsuite.still_blocked(Blocker(connection="erp", object_type="account", object_key="1", condition="")) is None
    )
    account.calm()
    assert isinstance(netsuite.find([books.journal()])[0], Posted)


def test_a_journal_that_lost_our_key_is_not_sent_again(account, netsuite):
    """A script of the account clears the external id: no look-up would find it, and a second try make a second one."""
    account.do("quirk", name="loses_external_id")
    (outcome,) = netsuite.post([books.journal()])
    assert isinstance(outcome, Rejected) and outcome.reason == Reason.CONTENT_DIFFERS, outcome
    assert "external id empty" in outcome.text


# Customers


def test_a_parent_comes_before_its_child(account, netsuite):
    child = books.customer("C-301", parent="C-300")
    (refused, parent) = (netsuite.put_customer(child, "k1"), netsuite.put_customer(books.customer("C-300"), "k2"))
    assert isinstance(refused, Rejected) and refused.reason == Reason.CUSTOMER_REFUSED
    assert isinstance(parent, Posted)
    done = netsuite.put_customer(child, "k1")
    assert isinstance(done, Posted)
    (record,) = [each for each in account.records("customer") if each["external_id"] == "C-301"]
    assert record["body"]["parent"] == {"id": parent.reference}
    assert record["body"]["companyName"] == "Globex"


def test_two_customers_of_one_name_are_two(netsuite):
    one, two = netsuite.put_customer(books.customer("C-400"), "a"), netsuite.put_customer(books.customer("C-401"), "b")
    assert isinstance(one, Posted) and isinstance(two, Posted)
    assert one.reference != two.reference


def test_a_customer_that_somebody_made_by_hand_is_taken(account, netsuite):
    account.seed(customers=[{"key": "by hand", "entity_id": "C-500", "subsidiary": "US", "currency": "USD"}])
    found = netsuite.put_customer(books.customer("C-500"), "k")
    assert isinstance(found, Posted) and found.found, found


def test_an_inactive_customer_is_not_taken(account, netsuite):
    netsuite.put_customer(books.customer("C-600"), "k")
    account.edit("customer", "C-600", isInactive=True)
    found = netsuite.put_customer(books.customer("C-600"), "k")
    assert isinstance(found, Rejected) and found.reason == Reason.CUSTOMER_INACTIVE
    assert netsuite.still_blocked(found.blocker) is True


# Options


def test_options_say_which_segment_and_which_column(account):
    account.seed(departments=[{"key": "D-1", "name": "Sales"}])
    netsuite = books.connect(segments={"team": "department"}, names={"department": "name", "subsidiary": "id"})
    us = next(r["id"] for r in account.records("subsidiary") if r["external_id"] == "US")
    debit, credit = books.sale(100)
    journal = books.journal("o", debit, replace(credit, dimensions={"team": "Sales"}), entity=us)
    assert netsuite.check([journal]) == [None]
    assert isinstance(netsuite.post([journal])[0], Posted)
    assert isinstance(netsuite.find([journal])[0], Posted)


def test_an_accounting_book_narrows_the_read_back(account):
    journal = books.journal()
    assert isinstance(books.connect(accounting_book="1").post([journal])[0], Posted)
    assert isinstance(books.connect(accounting_book="2").find([journal])[0], NotFound)


def test_it_says_what_it_knows_of_items_and_dimension_values(account, netsuite):
    account.edit("department", "CC-410", isInactive=True)
    assert netsuite.known("item", ["SKU-1", "SKU-9"]) == {"SKU-1": "active", "SKU-9": "missing"}
    assert netsuite.known("cost_center", ["CC-410", "CC-999"]) == {"CC-410": "inactive", "CC-999": "missing"}
    assert netsuite.known("weather", ["rain"]) == {} and netsuite.known("item", []) == {}
    account.fault("unavailable")
    assert isinstance(netsuite.known("item", ["SKU-1"]), Unavailable)
