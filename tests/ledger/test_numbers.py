"""Numbers without a gap: per entity, fiscal year and journal, whoever writes at the same time, whatever fails."""

from __future__ import annotations

import datetime as dt
import threading
from typing import Any

import pytest
from django.db import connection, transaction

from ledger import journal, periods
from ledger.models import JournalEntry, JournalSeries, LegalEntity
from ledger.models.entity import fiscal_year
from tests.ledger.makers import invoice, receipt


def numbers(results: list[journal.Result]) -> list[str]:
    return [result.number for result in results]


def test_each_entity_year_and_journal_counts_for_itself(entities: dict[str, LegalEntity]) -> None:
    periods.ensure_year(entities["US01"], 2027)
    told = [
        invoice(),
        receipt(5),
        invoice(entity_code="DE01", currency="EUR"),
        invoice(effective_on=dt.date(2027, 1, 1)),
        invoice(),
    ]
    assert numbers(journal.post_ready(told)) == [
        "US01-26-S0000001",
        "US01-26-C0000001",
        "DE01-26-S0000001",
        "US01-27-S0000001",
        "US01-26-S0000002",
    ]
    assert all(len(number) <= 16 for number in numbers(journal.post_ready([invoice()])))


def test_the_fiscal_year_is_the_entitys_own(entities: dict[str, LegalEntity]) -> None:
    june = LegalEntity.objects.create(
        code="UK-LTD", name="UK", functional_currency="USD", country="GB", fiscal_year_start_month=7
    )
    periods.ensure_year(june, 2027)
    [result] = journal.post_ready([invoice(entity_code="UK-LTD")])
    assert (result.number, result.period) == ("UKLT-27-S0000001", "2026-10")


@pytest.mark.parametrize(
    ("day", "start_month", "year"),
    [
        (dt.date(2026, 12, 31), 1, 2026),
        (dt.date(2026, 1, 1), 1, 2026),
        (dt.date(2026, 6, 30), 7, 2026),
        (dt.date(2026, 7, 1), 7, 2027),
        (dt.date(2026, 12, 1), 12, 2027),
    ],
)
def test_fiscal_years_are_named_by_the_year_they_end_in(day: dt.date, start_month: int, year: int) -> None:
    assert fiscal_year(day, start_month) == year


class Undone(Exception):
    """Taken back on purpose."""


def test_a_rollback_leaves_no_gap(entities: dict[str, LegalEntity]) -> None:
    assert numbers(journal.post_ready([invoice()])) == ["US01-26-S0000001"]
    with pytest.raises(Undone), transaction.atomic():
        assert numbers(journal.post_ready([invoice(), invoice()]))[1] == "US01-26-S0000003"
        raise Undone
    assert numbers(journal.post_ready([invoice()])) == ["US01-26-S0000002"]


def in_threads(count: int, work: Any) -> list[Any]:
    results: list[Any] = []

    def run(n: int) -> None:
        try:
            results.append(work(n))
        except BaseException as error:
            results.append(error)
        finally:
            connection.close()

    threads = [threading.Thread(target=run, args=[n]) for n in range(count)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(timeout=60)
    return results


def test_two_who_book_at_once_share_one_series(committed: dict[str, LegalEntity], django_db_blocker: Any) -> None:
    """Four connections, six batches each, every third one taken back."""

    def work(n: int) -> int:
        kept = 0
        for batch in range(6):
            try:
                with transaction.atomic():
                    kept += len(journal.post_ready([invoice() for _ in range(7)]))
                    if batch % 3 == n % 3:
                        kept -= 7
                        raise Undone
            except Undone:
                pass
        return kept

    with django_db_blocker.unblock():
        results = in_threads(4, work)
        assert results == [28] * 4
        series = JournalSeries.objects.get(entity=committed["US01"], journal="SALES")
        found = sorted(JournalEntry.objects.filter(number__startswith=series.prefix).values_list("number", flat=True))
        assert found == [f"{series.prefix}{n:07d}" for n in range(1, 113)]
        assert series.last_number == 112


def test_two_who_book_the_same_facts_make_one_entry_each(
    committed: dict[str, LegalEntity], django_db_blocker: Any
) -> None:
    facts = [receipt(100) for _ in range(40)]
    barrier = threading.Barrier(4)

    def work(n: int) -> list[journal.Result]:
        barrier.wait()
        with transaction.atomic():
            # Each in an order of its own.
            return journal.post_ready(facts[n * 10 :] + facts[: n * 10])

    with django_db_blocker.unblock():
        results = in_threads(4, work)
        assert not [one for one in results if isinstance(one, BaseException)]
        assert sum(result.outcome == "created" for one in results for result in one) == 40
        assert len({(r.event_id, r.entry_id, r.number) for one in results for r in one}) == 40
        found = JournalEntry.objects.filter(journal="CASH").count()
        assert found == JournalSeries.objects.get(journal="CASH").last_number == 40


def test_closing_waits_for_bookings_under_way(committed: dict[str, LegalEntity], django_db_blocker: Any) -> None:
    """The period stays open until the entries in it are committed."""
    booking, closed = threading.Event(), threading.Event()
    entity = committed["DE01"]
    day = dt.date(2026, 3, 3)

    def work(n: int) -> Any:
        if n == 0:
            with transaction.atomic():
                [result] = journal.post_ready([invoice(entity_code="DE01", currency="EUR", effective_on=day)])
                booking.set()
                assert not closed.wait(0.7)
            return result.outcome
        booking.wait(30)
        periods.close(periods.period_for(entity, "receivables", day), by="controller")
        closed.set()
        return "closed"

    with django_db_blocker.unblock():
        assert sorted(map(str, in_threads(2, work))) == ["closed", "created"]
        [late] = journal.post_ready([invoice(entity_code="DE01", currency="EUR", effective_on=day)])
        assert late.outcome == "refused"
