"""Booking in batches, each fact once; dry runs; the way to the ERP; corrections."""

from __future__ import annotations

import contextlib
import datetime as dt
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
from django.db import DatabaseError, IntegrityError, connection, transaction
from django.test.utils import CaptureQueriesContext

from ledger import journal, periods, rules
from ledger.models import Account, DimensionValue, FiscalPeriod, JournalEntry, JournalLine, LegalEntity, PostingRule
from q2c import keys, states
from q2c.reasons import Reason
from tests.ledger.makers import DAY, SUBSCRIPTION, booked, fact, invoice, line, receipt

NOVEMBER = dt.date(2026, 11, 2)


def state(entry_id: Any) -> str:
    return str(JournalEntry.objects.values_list("state", flat=True).get(pk=entry_id))


def transitions(entry_id: Any) -> list[tuple[str, str, str, str]]:
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT source, target, actor, why FROM q2c_transition WHERE record_id = %s ORDER BY id", [entry_id]
        )
        return cursor.fetchall()


def posted(told: Any) -> journal.Result:
    [result] = journal.post_ready([told])
    journal.mark_posting([result.entry_id])
    journal.mark_posted([journal.Document(result.entry_id, "JE-17", "4711")])
    return result


def blocked(told: Any) -> journal.Result:
    [result] = journal.post_ready([told])
    journal.mark_posting([result.entry_id])
    journal.mark_blocked([result.entry_id])
    return result


def test_what_an_entry_says(entities: dict[str, LegalEntity]) -> None:
    told = invoice(entity_code="DE01", currency="USD")
    [result] = journal.post_ready([told])
    entry = JournalEntry.objects.get(pk=result.entry_id)
    assert (entry.number, entry.state, entry.fiscal_year) == ("DE01-26-S0000001", "ready", 2026)
    assert (entry.currency, entry.functional_currency, entry.group_currency) == ("USD", "EUR", "USD")
    assert (str(entry.functional_rate), entry.group_rate) == ("0.909000000", 1)
    assert (entry.line_count, entry.total_minor, entry.generation) == (4, 184_025, 1)
    assert entry.rules_used.splitlines() == [
        "invoice receivable v1",
        "invoice deferred, ratable_monthly v1",
        "invoice deferred, point_in_time v1",
        "invoice tax v1",
    ]
    assert entry.correlation_id == told.correlation_id
    assert len(entry.key) == 20
    assert result == journal.Result(
        told.event_id, "created", entry.id, entry.number, "ready", "2026-10", "USD", 184_025, entry.key, ()
    )
    assert [move[:2] for move in transitions(entry.id)] == [("", "drafted"), ("drafted", "ready")]


def test_text_is_stored_as_it_came(entities: dict[str, LegalEntity]) -> None:
    odd = "a\tb\\nc\n\\N \r '\"; 日本"
    [result] = journal.post_ready([fact(line(SUBSCRIPTION, 5, memo=odd), customer="O'Neill\\", memo=odd)])
    rows = JournalLine.objects.filter(entry=result.entry_id)
    assert {row.memo for row in rows} == {odd}
    assert {row.customer for row in rows} == {"O'Neill\\"}
    assert JournalEntry.objects.get(pk=result.entry_id).memo == odd


def test_a_fact_is_booked_once_for_ever(entities: dict[str, LegalEntity]) -> None:
    told = invoice()
    first, again = journal.post_ready([told, told])
    [later] = journal.post_ready([told])
    assert first == again
    assert later == first._replace(outcome="existing")
    assert JournalEntry.objects.count() == 1


def test_two_rule_sets_keep_two_books(entities: dict[str, LegalEntity]) -> None:
    rule = PostingRule.objects.create(name="local", rule_set="local", event_type="PaymentReceived")
    for side, position in (("debit", 10), ("credit", 20)):
        rule.lines.create(position=position, side=side, measure="net", account_role="cash")
    told = receipt(100)
    other = receipt(100, event_id=told.event_id, rule_set="local")
    assert [result.outcome for result in journal.post_ready([told, other])] == ["created", "created"]


def test_a_bad_fact_spoils_nothing_else(entities: dict[str, LegalEntity]) -> None:
    told = [invoice(), invoice(currency="CHF"), fact(line(SUBSCRIPTION, 0)), invoice()]
    results = journal.post_ready(told)
    assert [result.outcome for result in results] == ["created", "refused", "nothing", "created"]
    assert [result.number for result in results] == ["US01-26-S0000001", "", "", "US01-26-S0000002"]
    assert [result.event_id for result in results] == [one.event_id for one in told]
    assert journal.post_ready([]) == []


@pytest.mark.parametrize("call", [journal.post_ready, journal.preview, rules.derive])
def test_as_many_statements_for_a_hundred_as_for_one(
    entities: dict[str, LegalEntity], call: Callable[[Any], Any]
) -> None:
    call([invoice(currency="EUR")])
    counts = []
    for size in (1, 100):
        with CaptureQueriesContext(
            connection,
        ) as seen:
            call([invoice(currency=("USD", "EUR")[n % 2]) for n in range(size)])
        counts.append(len(seen))
    assert counts[1] <= counts[0] + 1  # a second currency asks for rates
    assert counts[1] <= 16


def test_a_dry_run_shows_the_entry_and_writes_nothing(entities: dict[str, LegalEntity]) -> None:
    told = invoice()
    with transaction.atomic():
        with connection.cursor() as cursor:
            cursor.execute("SET TRANSACTION READ ONLY")
        [shown] = journal.preview([told])
    assert JournalEntry.objects.count() == 0
    assert shown.entry is not None
    assert [(row.account, row.debit_minor, row.credit_minor) for row in shown.entry.lines] == [
        ("1100", 184_025, 0),
        ("2410", 0, 120_000),
        ("2420", 0, 50_000),
        ("2200", 0, 14_025),
    ]
    assert (shown.entry.period, shown.existing, all(check.ok for check in shown.checks)) == ("2026-10", False, True)
    [result] = journal.post_ready([told])
    [again] = journal.preview([told])
    assert (again.existing, again.entry and again.entry.id) == (True, result.entry_id)
    assert [check.name for check in again.checks if not check.ok] == ["once"]


def test_a_dry_run_says_what_would_fail(entities: dict[str, LegalEntity]) -> None:
    periods.close(periods.period_for(entities["US01"], "receivables", DAY), by="controller")
    [shown] = journal.preview([invoice()])
    assert shown.entry is None
    assert [(check.name, check.text) for check in shown.checks if not check.ok] == [
        ("period", "Period 2026-10 of US01 (receivables) is closed")
    ]


def test_on_the_way_to_the_erp(entities: dict[str, LegalEntity]) -> None:
    ids = [result.entry_id for result in journal.post_ready([invoice() for _ in range(3)])]
    assert journal.mark_blocked(ids) == []
    with states.acting("worker 7", "replay"):
        assert set(journal.mark_posting(ids)) == set(ids)
    assert journal.mark_blocked(ids[:1]) == ids[:1]
    documents = [journal.Document(i, f"JE-{n}", f"47{n}") for n, i in enumerate(ids)]
    assert set(journal.mark_posted(documents)) == set(ids[1:])
    assert [state(i) for i in ids] == ["blocked", "posted", "posted"]
    assert JournalEntry.objects.get(pk=ids[2]).document_number == "JE-2"
    assert JournalEntry.objects.get(pk=ids[2]).posted_at is not None
    assert journal.mark_posting(ids) == ids[:1]
    assert journal.mark_posted(documents) == ids[:1]
    assert ("ready", "posting", "worker 7", "replay") in transitions(ids[0])


def test_what_was_never_posted_is_derived_anew_and_the_difference_kept(entities: dict[str, LegalEntity]) -> None:
    told = fact(line(SUBSCRIPTION, 120_000, 9_900, dimensions={"cost_center": "CC-410"}))
    old = blocked(told)
    DimensionValue.objects.filter(code="CC-410").update(is_active=False)
    [stuck] = journal.rederive([told])
    assert (stuck.result.outcome, stuck.result.findings[0].reason) == ("refused", Reason.DIMENSION_INACTIVE)
    assert state(old.entry_id) == "blocked"

    mended = fact(line(SUBSCRIPTION, 120_000, 9_900), event_id=told.event_id)
    [again] = journal.rederive([mended])
    assert again.old == old.entry_id
    assert (again.result.outcome, again.result.number) == ("created", "US01-26-S0000002")
    assert [(d.field, d.amount_minor) for d in again.differences] == [
        ("lines/2410 cost_center=CC-100 product_line=subscription", -120_000),
        ("lines/2410 cost_center=CC-410 product_line=subscription", 120_000),
    ]
    before = JournalEntry.objects.get(pk=old.entry_id)
    after = JournalEntry.objects.get(pk=again.result.entry_id)
    assert (before.state, before.superseded_by_id, after.generation) == ("superseded", after.id, 2)
    assert before.key == after.key
    assert before.lines.count() == 3


def test_a_key_is_the_documents_whatever_event_brings_it(entities: dict[str, LegalEntity]) -> None:
    """A database that was restored gives the same document another event, and has to find what it sent."""
    first, other = invoice(), invoice(business_document="invoice:INV-002")
    with contextlib.suppress(_Lost), transaction.atomic():
        lost = [one.key for one in journal.post_ready([first, other])]
        raise _Lost
    again = [replace(one, event_id=keys.new_id(), correlation_id=keys.new_id()) for one in (other, first)]
    assert [one.key for one in journal.post_ready(again)] == lost[::-1] and len(set(lost)) == 2
    elsewhere = journal.post_ready([replace(first, event_id=keys.new_id(), entity_code="DE01", currency="EUR")])
    assert elsewhere[0].key not in lost


class _Lost(Exception):
    """What was committed after the last backup."""


def test_a_document_that_is_booked_anew_has_its_key_until_something_was_posted_under_it(
    entities: dict[str, LegalEntity],
) -> None:
    entry = JournalEntry.objects.get
    given_up = entry(pk=blocked(invoice()).entry_id)
    journal.supersede([given_up.id])
    true = posted(invoice())
    assert (true.key, entry(pk=true.entry_id).generation) == (given_up.key, 2)
    mirror = journal.reverse(true.entry_id, DAY, keys.new_id(), "billed wrong")
    assert mirror.key != true.key
    journal.supersede([mirror.entry_id])
    # A second request for the same reversal looks for what the first may have left behind.
    second = journal.reverse(true.entry_id, DAY, keys.new_id(), "billed wrong")
    assert second.key == mirror.key
    journal.mark_posting([second.entry_id])
    journal.mark_posted([journal.Document(second.entry_id, "JE-9", "9")])
    (anew,) = journal.post_ready([invoice()])
    assert anew.key not in (true.key, mirror.key) and entry(pk=anew.entry_id).generation == 1


def test_an_equal_derivation_leaves_the_entry(entities: dict[str, LegalEntity]) -> None:
    told = invoice()
    old = blocked(told)
    [again] = journal.rederive([told])
    assert (again.result.outcome, again.result.entry_id, again.differences) == ("existing", old.entry_id, ())
    assert state(old.entry_id) == "blocked"


def test_what_is_posted_is_never_derived_anew(entities: dict[str, LegalEntity]) -> None:
    told = invoice()
    old = posted(told)
    Account.objects.filter(code="2410").update(is_active=False)
    [again] = journal.rederive([told])
    assert (again.result.outcome, again.result.entry_id, again.result.state) == ("existing", old.entry_id, "posted")
    assert journal.supersede([old.entry_id]) == []


def test_a_revised_rule_takes_effect_on_what_is_not_posted(entities: dict[str, LegalEntity]) -> None:
    told = invoice()
    blocked(told)
    rule = PostingRule.objects.get(name="invoice tax")
    tax = {"position": 30, "side": "credit", "measure": "tax", "account_role": "unapplied_cash", "grouping": "entry"}
    rules.revise(rule, rule.effective_from, [tax])
    [again] = journal.rederive([told])
    assert [(d.field, d.amount_minor) for d in again.differences] == [("lines/2050", -14_025), ("lines/2200", 14_025)]


def test_a_fact_without_entry_is_simply_booked_by_rederive(entities: dict[str, LegalEntity]) -> None:
    [made] = journal.rederive([invoice()])
    assert (made.old, made.result.outcome) == (None, "created")


def test_superseded_then_posted_ready_makes_the_next_generation(entities: dict[str, LegalEntity]) -> None:
    told = invoice()
    [old] = journal.post_ready([told])
    assert journal.supersede([old.entry_id]) == [old.entry_id]
    [new] = journal.post_ready([told])
    assert (new.outcome, new.number) == ("created", "US01-26-S0000002")
    assert JournalEntry.objects.get(pk=old.entry_id).superseded_by_id == new.entry_id
    assert journal.post_ready([told])[0].entry_id == new.entry_id


def test_a_posted_entry_is_reversed_once_its_mirror_is_posted(entities: dict[str, LegalEntity]) -> None:
    original, event = posted(invoice(currency="EUR")), keys.new_id()
    mirror = journal.reverse(original.entry_id, NOVEMBER, event, "Customer was billed twice")
    assert (mirror.outcome, mirror.state, mirror.period, mirror.number) == (
        "created", "ready", "2026-11", "US01-26-S0000002",
    )  # fmt: skip
    amounts = ["amount_minor", "functional_minor", "group_minor"]
    lines = [list(JournalLine.objects.filter(entry=i).order_by("line").values_list("account", *amounts))
             for i in (original.entry_id, mirror.entry_id)]  # fmt: skip
    assert lines[1] == [(account, -a, -f, -g) for account, a, f, g in lines[0]]
    assert JournalEntry.objects.get(pk=mirror.entry_id).memo == "Customer was billed twice"
    assert state(original.entry_id) == "posted"
    journal.mark_posting([mirror.entry_id])
    journal.mark_posted([journal.Document(mirror.entry_id, "JE-18", "4712")])
    assert (state(original.entry_id), state(mirror.entry_id)) == ("reversed", "posted")
    again = journal.reverse(original.entry_id, NOVEMBER, event, "again")
    assert (again.outcome, again.entry_id) == ("existing", mirror.entry_id)


def test_what_cannot_be_reversed_says_why(entities: dict[str, LegalEntity]) -> None:
    [ready] = journal.post_ready([invoice()])
    refused = journal.reverse(ready.entry_id, NOVEMBER, keys.new_id(), "x")
    assert [f.text for f in refused.findings] == [f"Entry {ready.number} cannot be reversed: it is ready, not posted"]
    original = posted(invoice())
    journal.reverse(original.entry_id, NOVEMBER, keys.new_id(), "x")
    refused = journal.reverse(original.entry_id, NOVEMBER, keys.new_id(), "x")
    assert [f.reason for f in refused.findings] == [Reason.REVERSAL_REFUSED]
    refused = journal.reverse(original.entry_id, dt.date(2027, 1, 5), keys.new_id(), "x")
    assert Reason.PERIOD_MISSING in {f.reason for f in refused.findings}


def test_a_superseded_mirror_may_be_made_again(entities: dict[str, LegalEntity]) -> None:
    original, event = posted(invoice()), keys.new_id()
    first = journal.reverse(original.entry_id, NOVEMBER, event, "x")
    journal.supersede([first.entry_id])
    second = journal.reverse(original.entry_id, dt.date(2026, 12, 1), event, "x")
    assert (second.outcome, second.period) == ("created", "2026-12")


def test_a_softly_closed_period_takes_corrections_only(entities: dict[str, LegalEntity]) -> None:
    original = posted(invoice())
    period = periods.period_for(entities["US01"], "receivables", DAY)
    periods.soft_close(period, by="controller")
    assert journal.post_ready([invoice()])[0].findings[0].reason == Reason.PERIOD_CLOSED
    assert journal.reverse(original.entry_id, DAY, keys.new_id(), "x").outcome == "created"
    periods.close(period, by="controller")
    other = posted(invoice(effective_on=NOVEMBER))
    assert journal.reverse(other.entry_id, DAY, keys.new_id(), "x").findings[0].reason == Reason.PERIOD_CLOSED


def test_the_database_refuses_a_closed_period_itself(
    entities: dict[str, LegalEntity], monkeypatch: pytest.MonkeyPatch
) -> None:
    """As if the period were closed between the look and the write."""
    [derived] = rules.derive([invoice()])
    periods.close(FiscalPeriod.objects.get(pk=derived.period.id), by="controller")  # type: ignore[union-attr]
    from ledger import booking

    with pytest.raises(IntegrityError, match="which is closed"), transaction.atomic():
        booking.book([derived], {})


@pytest.mark.parametrize("target", ["ready", "posting", "posted", "blocked", "superseded", "reversed"])
def test_no_entry_is_born_in_a_later_state(entities: dict[str, LegalEntity], target: str) -> None:
    [result] = journal.post_ready([invoice()])
    row = JournalEntry.objects.get(pk=result.entry_id)
    copy = {f.attname: getattr(row, f.attname) for f in row._meta.concrete_fields}
    copy |= {"id": keys.new_id(), "event_id": keys.new_id(), "key": "k", "number": "US01-26-S0000002", "state": target}
    with pytest.raises(DatabaseError), transaction.atomic():
        JournalEntry.objects.create(**copy)


def test_every_illegal_move_is_refused_by_the_database(entities: dict[str, LegalEntity]) -> None:
    [result] = journal.post_ready([invoice()])
    legal = states.edges(JournalEntry)
    here = "ready"
    for target in states.states(JournalEntry):
        if target != here and (here, target) not in legal:
            with pytest.raises(DatabaseError), transaction.atomic():
                JournalEntry.objects.filter(pk=result.entry_id).update(state=target)


def test_reading_what_is_booked(entities: dict[str, LegalEntity]) -> None:
    ids = [result.entry_id for result in journal.post_ready([invoice(), receipt(5)])]
    views = journal.read([ids[1], keys.new_id(), ids[0]])
    assert [view.id for view in views] == [ids[1], ids[0]]
    assert [row.account for row in views[0].lines] == ["1000", "2050"]
    assert views[1].business_document == "invoice:INV-001"
    assert booked(ids[1]) == [("cash", 5), ("unapplied_cash", -5)]
