"""In whatever order things come: by legal entity and month, what is told adds up to what billing has less the books.

Billing tells INV-1 of ORD-1, changes it, renumbers it, moves it, takes it back and posts it again; `shop` tells the same
numbers by the API, and `web` without the right to; what each gives cannot be read for a while; people reverse, give up, sign and refuse; the ledger refuses for a while, and October closes.
Hypothesis makes stories of that, and shortens one that fails.
"""

from __future__ import annotations

import datetime as dt
from collections import Counter
from collections.abc import Callable
from dataclasses import replace as replace_of
from typing import Any

import msgspec
import pytest
from django.db import transaction
from hypothesis import HealthCheck, given, note, settings
from hypothesis import strategies as st
from msgspec.structs import replace

from exceptions.errors import NotPossible
from exceptions.models import Approval, Case
from exceptions.models.case import UNRESOLVED
from ledger import periods
from ledger.models import FiscalPeriod, JournalEntry
from q2c import clock
from q2c.connectors.outcomes import About, Rejected
from q2c.contracts.documents import InvoiceDocument
from q2c.contracts.events import JournalReversalRequested
from q2c.engine import after_all, desk, gates, intake, run
from q2c.engine.envelope import Item, Sender
from q2c.engine.sources import Invoices
from q2c.models import Invoice
from q2c.reading import close, decided_items, given_up, tie_out, unbooked
from q2c.reading.differences import Sums
from q2c.reasons import Reason
from tests.engine.makers import NOW, order, person
from tests.intake import platforms
from tests.stages.test_billing_told_second import DEARER, MOVED, told
from tests.stages.test_cancelled_elsewhere import GONE, works
from tests.stages.test_counted_once import boss
from tests.stages.test_invoices_and_journals import SOUND, arrives
from tests.stages.test_reversals import controller

pytestmark = pytest.mark.django_db
__all__ = ["boss"]
VERSIONS = {
    "sound": SOUND, "dearer": DEARER, "moved": MOVED, "renumbered": replace(SOUND, invoice_number="INV-9"),
    "wrong": replace(DEARER, account="OTHER-EUR"), "of US01": replace(SOUND, legal_entity="US01"),
}  # fmt: skip
REFERENCES = ("b-1", "b-2")
INACTIVE = ("cost_center", "CC-410")
# What can be read of what as a whole cannot be read.
UNREAD = {
    "sound": SOUND, "dearer": replace(DEARER, total_minor=155_000), "moved": MOVED,
    "without amount": replace(SOUND, total_minor=0), "of US01": replace(SOUND, legal_entity="US01"),
}  # fmt: skip
Document = tuple[str, str]


class Story:
    """What was told so far. Each act says whether there was anything to do."""

    def __init__(self, company: Any) -> None:
        order()
        self.ledger, self.billing = company["erp-de"], Invoices(platforms.zuora())
        # By reference: what billing has (None: taken back), what it had last, and all names that it gave.
        self.has: dict[str, InvoiceDocument | None] = {}
        self.last: dict[str, InvoiceDocument] = {}
        self.names: dict[str, list[tuple[str, str]]] = {}
        self.shop: dict[str, InvoiceDocument] = {}
        # By source and reference, the newest last: what can be read of it, while its newest version cannot.
        self.unread: dict[Document, InvoiceDocument] = {}
        self.turn = 0

    def billing_has(self, reference: str, version: str) -> None:
        found = replace(VERSIONS[version], billing_reference=reference)
        is_same = found == self.has.get(reference) and ("billing", reference) not in self.unread
        if is_same or found.invoice_number in self._posted_beside(reference):
            return
        self.unread.pop(("billing", reference), None)
        self.has[reference] = self.last[reference] = found
        self.names.setdefault(reference, []).append(_name(found))
        self.billing.take_fetched(reference, found)

    def billing_has_unreadable(self, reference: str, version: str) -> None:
        found = replace(UNREAD[version], billing_reference=reference)
        if found.invoice_number in self._posted_beside(reference):
            return
        worth = {"amount_minor": found.total_minor, "currency": found.currency} if found.total_minor else {}
        about = About(reference=reference, number=found.invoice_number, entity=found.legal_entity,
                      issued_on=found.issued_on, **worth)  # fmt: skip
        text = f"{reference} has no product, asked {self.turn}"
        self.billing.take_fetched(reference, Rejected(reason=Reason.EVENT_MALFORMED, text=text, about=about))
        self._is_unread("billing", found)

    def _posted_beside(self, reference: str) -> set[str]:
        """Billing gives a number once among what it has posted."""
        read = [one for ref, one in self.has.items() if ref != reference and one is not None]
        unread = [one for (source, ref), one in self.unread.items() if source == "billing" and ref != reference]
        return {one.invoice_number for one in [*read, *unread]}

    def _is_unread(self, source: str, found: InvoiceDocument) -> None:
        self.unread.pop((source, found.billing_reference), None)
        self.unread[source, found.billing_reference] = found

    def billing_takes_back(self, reference: str) -> None:
        unread = self.unread.pop(("billing", reference), None)
        if self.has.get(reference) is None and unread is None:
            return
        last, self.has[reference] = unread or self.last[reference], None
        self.names.setdefault(reference, []).append(_name(last))
        about = replace_of(GONE.about, reference=reference, number=last.invoice_number, entity=last.legal_entity)
        gone = replace_of(GONE, text=f"Invoice {last.invoice_number} is Canceled, not posted", about=about)
        self.billing.take_fetched(reference, gone)

    def shop_tells(self, version: str) -> None:
        found = replace(VERSIONS[version], billing_reference=f"shop-{VERSIONS[version].invoice_number}")
        was_unread = self.unread.pop(("shop", found.billing_reference), None)
        if self.shop.get(found.invoice_number) != found or was_unread:
            self.shop[found.invoice_number] = found
            self._sends("shop", msgspec.to_builtins(found))

    def sends_unreadable(self, source: str, version: str) -> None:
        found = replace(UNREAD[version], billing_reference=f"{source}-{UNREAD[version].invoice_number}")
        document = msgspec.to_builtins(found) | {"account": self.turn}
        self._sends(source, document if found.total_minor else document | {"total_minor": "much"})
        self._is_unread(source, found)

    def _sends(self, source: str, document: dict[str, Any]) -> None:
        said = {"specversion": "1.0", "id": f"{source}:{self.turn}", "source": source, "type": "InvoiceIssued"}
        item = Item(body=msgspec.json.encode(document), attributes=said | {"time": clock.now().isoformat()},
                    content_type="application/json")  # fmt: skip
        intake.take([item], Sender(system=source, actor=f"api:{source}", may=lambda right: source != "web"))

    def reverse(self, on: dt.date) -> None:
        entry = JournalEntry.objects.filter(state="posted").order_by("-id").first()
        if entry is None:
            return
        asked = JournalReversalRequested(journal_id=str(entry.id), effective_on=max(entry.effective_on, on), reason="x")
        arrives("JournalReversalRequested", asked, f"r-{self.turn}", "back-office")
        run.drain("reverse_journal")
        requests = Approval.objects.filter(state="requested", case__stage="reverse_journal")
        for id_ in list(requests.values_list("id", flat=True)):
            desk.approve(controller("cleo"), [id_], "ok")

    def give_up(self, root_cause: str, *, unread: bool = False) -> None:
        free = Case.objects.filter(state__in=UNRESOLVED).exclude(approvals__state="requested").order_by("number")
        if unread:
            free = free.filter(step_id=None, raw_hash__isnull=False)
        if (case := free.first()) is None:
            return
        desk.close_without_fix(person(f"ann{self.turn}"), [case.id], "no", root_cause)
        asked = Approval.objects.filter(state="requested", case=case).latest("id")
        desk.approve(person(f"bea{self.turn}"), [asked.id], "ok")

    def decide(self, verb: str) -> None:
        if (asked := Approval.objects.filter(state="requested").order_by("id").first()) is not None:
            getattr(desk, verb)(controller(f"cleo{self.turn}"), [asked.id], "seen")

    def after_all(self) -> None:
        for case in Case.objects.filter(state="closed_without_fix").order_by("-number"):
            if after_all.why_not(case) == "":
                after_all.ask(person(f"wes{self.turn}"), case.id, "wanted")
                return

    def ledger_refuses(self, refuses: bool) -> None:
        if refuses:
            self.ledger.inactive.add(INACTIVE)
            return
        self.ledger.inactive.clear()
        for case in Case.objects.filter(state__in=UNRESOLVED, stage="post_journal"):
            desk.replay_one(person(f"rex{self.turn}{case.number}"), case.id, "again")
            desk.work()

    def october_closes(self) -> None:
        period = FiscalPeriod.objects.get(entity__code="DE01", name="2026-10", subledger="receivables")
        if period.state == "open":
            periods.close(period, by="x", why="y")

    def billing_less_books(self) -> dict[tuple[str, str, str], int]:
        """What billing has, and what others told and billing does not know, less what stands in the books."""
        found: Counter[tuple[str, str, str]] = Counter()
        counts = {("billing", ref): one for ref, one in self.has.items() if one is not None}
        counts |= {
            ("shop", one.billing_reference): one for one in self.shop.values() if not self._is_billings(_name(one))
        }
        for one in (counts | self._unread_that_count()).values():
            found[one.legal_entity, f"{one.issued_on:%Y-%m}", one.currency] += one.total_minor
        for entry in JournalEntry.objects.exclude(state="superseded").select_related("entity", "period"):
            if not entry.reverses_id or entry.state in ("posted", "reversed"):
                found[entry.entity.code, entry.period.name, entry.currency] -= entry.worth_minor
        return {month: minor for month, minor in found.items() if minor}

    def _unread_that_count(self) -> dict[Document, InvoiceDocument]:
        """In place of what can be read; of several of one number the last, by right and with an amount if one is."""
        found = {it: one for it, one in self.unread.items() if not self._counts_as_read(it, one)}
        of_number: dict[tuple[str, str], Document] = {}
        for document in sorted(found, key=lambda it: (it[0] != "web", found[it].total_minor > 0)):
            of_number[_name(found[document])] = document
        return {it: found[it] for it in of_number.values() if found[it].total_minor}

    def _counts_as_read(self, document: Document, one: InvoiceDocument) -> bool:
        """It is booked, or another system's word counts that can be read."""
        source, reference = document
        names = {_name(one), *(self.names.get(reference, ()) if source == "billing" else ())}
        books = Invoice.objects.exclude(state="voided").values_list("source", "billing_reference", "entity", "number")
        if any(
            document == (by, ref) or (by != source and (entity, number) in names) for by, ref, entity, number in books
        ):
            return True
        if self._is_billings(_name(one)):
            return source != "billing"
        return source != "shop" and _name(one) in {_name(told) for told in self.shop.values()}

    def _is_billings(self, name: tuple[str, str]) -> bool:
        """Also by an earlier name, unless that document is in the books under another."""
        return any(
            name in names
            and (one is None or _name(one) == name or not _is_booked_as_another(reference, name, _after(name, names)))
            for reference, names in self.names.items()
            for one in [self.has[reference]]
        )


def _name(one: InvoiceDocument) -> tuple[str, str]:
    return one.legal_entity, one.invoice_number


def _after(name: tuple[str, str], names: list[tuple[str, str]]) -> list[tuple[str, str]]:
    """Those that it was given after it had this one last."""
    return names[len(names) - names[::-1].index(name) :]


def _is_booked_as_another(reference: str, name: tuple[str, str], later: list[tuple[str, str]]) -> bool:
    """As billing told it, else as another system did under a later name of it."""
    standing = Invoice.objects.exclude(state="voided")
    own = set(standing.filter(source="billing", billing_reference=reference).values_list("entity", "number"))
    others = standing.exclude(source="billing").values_list("entity", "number")
    return bool(own - {name} if own else set(others) & set(later))


def unread_of_booked(user: Any) -> dict[tuple[str, str, str], int]:
    """What billing says more than the books, where that cannot be read and was given up."""
    months = given_up.of_open_months(user)
    return {(*month, currency): minor for month, sums in months.items() for minor, currency in sums.of("unread")}


def _sum(*parts: dict[tuple[str, str, str], int]) -> dict[tuple[str, str, str], int]:
    found: Counter[tuple[str, str, str]] = Counter()
    for part in parts:
        found.update(part)
    return {month: minor for month, minor in found.items() if minor}


def left(user: Any) -> list[tie_out.TieOut]:
    """Of the months that the stories are in, what the page of its differences says is told by nothing."""
    months = [(entity, month) for entity in ("DE01", "US01") for month in ("2026-10", "2026-11")]
    found, decided = given_up.by_month(user, months), decided_items.by_month(user, months)
    waiting = unbooked.by_month(user, months, close.NOT_POSTED)
    rows = [
        tie_out.of_month(user, *month, found.get(month, Sums()), decided.get(month), waiting[month]) for month in months
    ]
    return [row for month in rows for row in month if row.left]


def _acts() -> dict[str, Callable[[Story], None]]:
    found: dict[str, Callable[[Story], None]] = {}
    for ref in REFERENCES:
        for version in VERSIONS:
            found[f"billing has {ref} {version}"] = lambda s, r=ref, v=version: s.billing_has(r, v)  # type: ignore[misc]
        for version in UNREAD:
            found[f"billing has {ref} unreadable, {version}"] = lambda s, r=ref, v=version: s.billing_has_unreadable(
                r, v
            )  # type: ignore[misc]
        found[f"billing takes {ref} back"] = lambda s, r=ref: s.billing_takes_back(r)  # type: ignore[misc]
    for version in ("sound", "dearer", "renumbered"):
        found[f"shop tells {version}"] = lambda s, v=version: s.shop_tells(v)  # type: ignore[misc]
    for source, version in [("shop", "sound"), ("shop", "dearer"), ("shop", "without amount"), ("web", "sound")]:
        found[f"{source} tells unreadable, {version}"] = lambda s, o=source, v=version: s.sends_unreadable(o, v)  # type: ignore[misc]
    return found | {
        "reverse in October": lambda s: s.reverse(dt.date(2026, 10, 20)),
        "reverse in November": lambda s: s.reverse(dt.date(2026, 11, 3)),
        "give up as duplicate": lambda s: s.give_up("duplicate"),
        "give up": lambda s: s.give_up("other"),
        "give up unread": lambda s: s.give_up("other", unread=True),
        "approve": lambda s: s.decide("approve"),
        "refuse": lambda s: s.decide("refuse"),
        "after all": lambda s: s.after_all(),
        "the ledger refuses": lambda s: s.ledger_refuses(True),
        "the ledger takes it": lambda s: s.ledger_refuses(False),
        "October closes": lambda s: s.october_closes(),
    }


ACTS = _acts()
# What comes unreadable of one invoice, whoever tells of it, and what becomes of that.
OF_UNREAD = [
    name
    for name in sorted(ACTS)
    if "b-2" not in name and any(word in name for word in ("unread", "sound", "wrong", "back", "give up", "refuse"))
]


class Undone(Exception):
    """A story leaves nothing behind."""


def play(company: Any, acts: list[str], user: Any) -> None:
    book = company["erp-de"]
    try:
        with transaction.atomic():
            story = Story(company)
            for name in acts:
                story.turn += 1
                with clock.at(NOW + dt.timedelta(minutes=story.turn)):
                    try:
                        ACTS[name](story)
                    except NotPossible as said:
                        note(f"{name}: {said}")
                    assert not left(user), f"while {name} waits for its worker"
                    for _ in range(2):
                        works()
                        while run.drain("reverse_journal") + run.drain("post_journal"):
                            pass
                    assert told(user) == _sum(story.billing_less_books(), unread_of_booked(user)), f"after {name}"
                    assert not left(user), f"after {name}"
            raise Undone
    except Undone:
        pass
    finally:
        book.documents.clear()
        book.numbers.clear()
        book.inactive.clear()


@pytest.fixture(autouse=True)
def in_one_transaction(monkeypatch: pytest.MonkeyPatch) -> None:
    """Each story is rolled back, so its calls are made inside a transaction."""
    monkeypatch.setattr(gates, "no_transaction", lambda: None)


@settings(
    max_examples=15, deadline=None, derandomize=True, database=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)  # fmt: skip
@given(acts=st.lists(st.sampled_from(sorted(ACTS)), min_size=3, max_size=9))
def test_it_adds_up_after_each_act(company: Any, boss: Any, acts: list[str]) -> None:
    play(company, acts, boss)


@settings(
    max_examples=20, deadline=None, derandomize=True, database=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)  # fmt: skip
@given(acts=st.lists(st.sampled_from(OF_UNREAD), min_size=3, max_size=7))
def test_it_adds_up_while_something_cannot_be_read(company: Any, boss: Any, acts: list[str]) -> None:
    play(company, acts, boss)
