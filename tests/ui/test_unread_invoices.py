"""An invoice that billing gives and that cannot be read stays in sight at the close, whether its period is known or not.

DE01 sells O-1 to Acme on 3 November 2026; billing then gives invoices that say less than they must.
"""

from __future__ import annotations

import datetime as dt
from typing import Any

import msgspec
import pytest
from django.contrib.auth import get_user_model

from exceptions.models import Case
from ledger.models import FiscalPeriod
from q2c import clock
from q2c.connectors.outcomes import About, Rejected, Unavailable
from q2c.connectors.ports import NOT_POSTED
from q2c.contracts import stored
from q2c.contracts.documents import InvoiceDocument
from q2c.engine import callouts, desk, intake
from q2c.engine.envelope import Item, Sender
from q2c.engine.reads import Read
from q2c.engine.sources import Invoices
from q2c.models import Callout, Connection, Invoice
from q2c.reading import left_open, unread
from q2c.reasons import Reason
from tests import flow_makers as make
from tests.ui.people import boss, person, read, signed_in
from tests.ui.test_given_up_told import NOW, closing, give_up

pytestmark = pytest.mark.django_db
LOST = "1 invoice: posted in billing, not in the books"
KNOWN = About(entity="DE01", issued_on=dt.date(2026, 11, 2), amount_minor=11_900, currency="EUR")
NOVEMBER = dt.date(2026, 11, 2)
# What is known of it, what the sentence says, and what stands with its case.
UNPLACED = [
    (None, "entity and period: it may belong to any close.", ""),
    (About(issued_on=NOVEMBER), "entity: it may belong to any entity’s close of that period.", " of Nov 2026"),
    (About(entity="DE01"), "period: it may belong to any close of that entity.", " of DE01"),
]


@pytest.fixture(autouse=True)
def _noon(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(make, "BILLING", "zuora")
    with clock.at(NOW):
        make.company()
        yield


def answers(reference: str, refused: Rejected) -> None:
    billing().take_fetched(reference, refused)


def gives(reference: str, about: About | None) -> Case:
    """Billing answers with a document whose lines cannot be read."""
    answers(reference, Rejected(reason=Reason.EVENT_MALFORMED, text=f"{reference}: no product", about=about))
    return Case.objects.get(business_key=reference)


def test_what_can_be_read_of_it_says_its_period(client: Any) -> None:
    case = gives("8ad1", KNOWN)
    assert (case.entity, case.period, case.amount_minor, case.currency) == ("DE01", "2026-11", 11_900, "EUR")
    client = signed_in(boss())
    assert "1 open case" in closing(client) and "cannot be read" not in closing(client)
    give_up(case)
    left = closing(client)
    assert LOST in left and f"8ad1 (given up, {case.shown})" in left and "1 open case" not in left
    assert LOST not in closing(client, name="2026-10")
    assert "8ad1" in read(client, "/")
    # Billing gives it so that it can be read: it stands in the flow, and is listed no more.
    with clock.at(NOW + dt.timedelta(minutes=5)):
        order = make.through("O-1", "INV-1")
        document = stored.read(order.invoices.get().event.payload, InvoiceDocument)
        again = msgspec.structs.replace(document, invoice_number="INV-8", billing_reference="8ad1")
        make.arrive("InvoiceIssued", "zuora", "8ad1:2", again, order.correlation_id)
    assert LOST not in closing(client)


@pytest.mark.parametrize(("about", "lacks", "of"), UNPLACED)
def test_one_without_entity_or_period_is_told_at_every_close(about: About | None, lacks: str, of: str) -> None:
    case, client = gives("8ad2", about), signed_in(boss())
    nowhere = f"1 invoice cannot be read, and nobody knows its {lacks}"
    for name in ("2026-10", "2026-11"):
        assert f"{nowhere} {case.shown}{of}." in closing(client, name=name).replace("\xa0", " ")
    assert nowhere in read(client, "/")
    if not case.period:
        assert "Not known: what came says none that can be read." in read(client, f"/cases/{case.id}")
    give_up(case)
    assert f"{nowhere} {case.shown}{of} (closed without a fix)." in closing(client).replace("\xa0", " ")


def test_several_that_lack_different_things_are_told_together() -> None:
    client = signed_in(boss())
    for about, *_ in UNPLACED:
        gives(f"8ad{about and about.entity}{about and about.issued_on}", about)
    assert "3 invoices cannot be read, and nobody knows their entity or period: they may belong to any close." in read(
        client, "/"
    )


@pytest.mark.parametrize("given_up", [True, False])
def test_what_billing_cancels_is_told_no_more(given_up: bool) -> None:
    case, client = gives("8ad3", None), signed_in(boss())
    if given_up:
        give_up(case)
    assert "cannot be read" in closing(client)
    answers("8ad3", Rejected(reason=Reason.INVOICE_MISMATCH, text="8ad3 is Canceled", field=NOT_POSTED))
    assert "cannot be read" not in closing(client)
    assert Case.objects.get().state == ("closed_without_fix" if given_up else "resolved")


def billing() -> Invoices:
    """Billing as it is polled; what it answers is said by the test."""
    found = Invoices.__new__(Invoices)
    found.connection, found.name = Connection.objects.get(name="zuora"), "zuora"
    found.sender = Sender(system="zuora", actor="poll:zuora")
    return found


def overdue(document: InvoiceDocument) -> InvoiceDocument:
    """Read as it should be, and due before it is issued: the contract refuses it."""
    return msgspec.structs.replace(document, due_on=document.issued_on - dt.timedelta(days=1))


@pytest.fixture
def refused() -> tuple[Invoice, InvoiceDocument, Case]:
    """INV-1 is booked; then billing gives it with a due date before its issue."""
    invoice = make.through("O-1", "INV-1").invoices.get()
    document = stored.read(invoice.event.payload, InvoiceDocument)
    told = billing().take_fetched(invoice.billing_reference, overdue(document))
    assert told == "The invoice is due before it is issued (/due_on)"
    return invoice, document, Case.objects.get()


Refused = tuple[Invoice, InvoiceDocument, Case]


def test_what_the_contract_refuses_stands_where_its_invoice_does(refused: Refused) -> None:
    invoice, _, case = refused
    assert (case.business_key, case.entity, case.period) == ("INV-1", "DE01", "2026-11")
    assert (case.amount_minor, case.currency) == (0, "EUR"), "all of it stands in the books"
    assert (case.customer, case.correlation_id) == (invoice.customer_name, invoice.correlation_id)
    client = signed_in(boss())
    addresses = [
        *(f"/queue?q={word}" for word in ("INV-1", "8adINV-1", invoice.customer_name)),
        *(f"/trace?q={word}" for word in ("INV-1", "8adINV-1", "O-1", case.context["id"])),
        f"/invoices/{invoice.id}", f"/orders/{invoice.order_id}",
    ]  # fmt: skip
    for address in addresses:
        assert case.shown in read(client, address), address
    shown = read(client, f"/cases/{case.id}")
    assert "The first INV-1 is booked" in shown and "Nothing is booked for the one that came again." in shown
    assert "Nothing is booked for it yet" not in shown
    left = closing(client)
    assert "1 open case" in left and "cannot be read" not in left and "cannot be read" not in read(client, "/")
    period = FiscalPeriod.objects.get(entity__code="DE01", subledger="receivables", name="2026-11")
    assert "Open cases: 1 case" in left_open.of(get_user_model().objects.get(), period)


def test_a_good_version_ends_what_the_contract_refused(refused: Refused) -> None:
    invoice, document, case = refused
    asks = billing()
    # The same again is the same case, under whatever number; another fault takes its place.
    asks.take_fetched(invoice.billing_reference, overdue(document))
    assert Case.objects.get().attempts == 1
    other = msgspec.structs.replace(overdue(document), invoice_number="INV-9")
    asks.take_fetched(invoice.billing_reference, other)
    second = Case.objects.exclude(id=case.id).get()
    assert (Case.objects.get(id=case.id).resolution, second.business_key) == ("superseded", "INV-9")
    assert second.shown in read(signed_in(boss()), f"/invoices/{invoice.id}")
    # As it was booked; the second time that is known already.
    for bad in (other, overdue(document)):
        asks.take_fetched(invoice.billing_reference, bad)
        wrong = Case.objects.get(state="open")
        asks.take_fetched(invoice.billing_reference, document)
        wrong.refresh_from_db()
        assert (wrong.state, wrong.resolution) == ("resolved", "resolved_by_itself")
    # Wrong once more it is a case once more, until that is given up.
    asks.take_fetched(invoice.billing_reference, overdue(document))
    give_up(Case.objects.get(state="open"))
    asks.take_fetched(invoice.billing_reference, overdue(document))
    assert not Case.objects.filter(state="open").exists()


def test_who_has_it_read_again_is_told_what_came_of_it(refused: Refused, monkeypatch: pytest.MonkeyPatch) -> None:
    _, document, case = refused
    answer: list[Any] = [Unavailable(text="Zuora does not answer")]
    asks = billing()
    monkeypatch.setattr(asks, "fetch", lambda references: answer if references == ["8adINV-1"] else [None])
    monkeypatch.setattr(callouts, "source_of", lambda connection: asks)
    ann = person("ann", "exceptions.view_case", "exceptions.replay_case")
    told = []
    for each in (answer[0], overdue(document), overdue(document), document):
        answer[:] = [each]
        desk.read_again(ann, case.id)
        callouts._fetch_of(asks.connection)
        told.append(case.events.order_by("-id").values_list("kind", "text").first())
    assert [kind for kind, _ in told] == ["asked_again", "read_again", "read_again", "resolved"]
    assert "Zuora does not answer" in told[0][1] and "due before it is issued" in told[1][1]
    shown = read(signed_in(boss()), f"/cases/{case.id}")
    assert "Read again: asked for" in shown and "Not settled by it: The invoice is due before it is issued" in shown


def test_what_others_send_is_read_as_far_as_it_can_be() -> None:
    order = make.through("O-1", "INV-1")
    document = overdue(stored.read(order.invoices.get().event.payload, InvoiceDocument))
    sent = msgspec.to_builtins(document) | {"invoice_number": "INV-5", "billing_reference": "b-5"}

    def send(id_: str, **changes: Any) -> None:
        event = {"specversion": "1.0", "id": id_, "source": "shop", "type": "InvoiceIssued", "data": sent | changes}
        intake.take([Item(body=msgspec.json.encode(event))], Sender(system="shop", actor="api:shop"))

    send("e1", lines=[])
    case = Case.objects.get()
    assert (case.business_key, case.entity, case.period) == ("INV-5", "DE01", "2026-11")
    assert case.amount_minor == document.total_minor and case.context["order"] == "O-1"
    send("e2", lines=[], invoice_number=7, legal_entity="XX", issued_on="soon", total_minor="much", billing_reference=1)
    bare = Case.objects.exclude(id=case.id).get()
    assert (bare.business_key, bare.entity, bare.period, bare.amount_minor) == ("e2", "", "", None)
    assert [one.id for one in unread.unplaced(boss())] == [bare.id]
    # Another id, the same invoice.
    send("e3", due_on="2027-01-01")
    assert [Case.objects.get(id=one.id).state for one in (case, bare)] == ["resolved", "open"]


@pytest.mark.parametrize(("says", "places"), [({}, 0), ({"legal_entity": "DE01"}, 1), ({"total_minor": 100}, 1)])
def test_what_came_without_the_right_to_belongs_to_a_close_only_where_it_says_whose_or_what(
    says: dict[str, Any], places: int
) -> None:
    event = {"specversion": "1.0", "id": "e1", "source": "shop", "type": "InvoiceIssued"}
    data = {"invoice_number": "X", "currency": "EUR"} | says
    sender = Sender(system="shop", actor="api:shop", may=lambda right: False)
    intake.take([Item(body=msgspec.json.encode(event | {"data": data}))], sender)
    assert (Case.objects.get().code, len(unread.unplaced(boss()))) == ("forbidden", places)


def test_what_is_booked_is_where_the_books_have_it() -> None:
    invoice = make.through("O-1", "INV-1").invoices.get()
    refused = Rejected(reason=Reason.EVENT_MALFORMED, text="its lines cannot be read")
    (found,) = billing()._unreadable([(Read(reference=invoice.billing_reference, found=refused), refused)])
    assert (found.entity, found.period) == ("DE01", "2026-11")


def test_what_was_given_up_is_asked_for_once_more_on_its_case() -> None:
    case, client = give_up(gives("8ad4", KNOWN)), signed_in(boss())
    address = f"/cases/{case.id}"
    shown = read(client, address)
    assert "Read it again" in shown and "zuora is asked for it again. Can it be read now" in shown
    assert "Once it comes so that it can be read, a second person decides." in shown
    sent = {"verb": "after_all", "reason": "it was sold", "token": "00000000-0000-7000-8000-000000000001"}
    told = client.post(f"{address}/act", sent, follow=True).content.decode()
    assert "zuora is asked for it again; can it be read now, a second person decides." in told
    assert Callout.objects.get(done_at=None).reference == "8ad4"
    shown = read(client, address)
    assert "Read it again" not in shown and "asks to have it read again and booked: it was sold" in shown


def test_read_again_and_stopped_by_something_else_its_case_says_who_asked() -> None:
    order = make.through("O-1", "INV-1")
    closed, client = give_up(gives("8ad4", KNOWN)), signed_in(boss())
    client.post(f"/cases/{closed.id}/act", {"verb": "after_all", "reason": "it was sold"})
    document = stored.read(order.invoices.get().event.payload, InvoiceDocument)
    again = msgspec.structs.replace(document, invoice_number="INV-8", billing_reference="8ad4", account="OTHER-EUR")
    make.arrive("InvoiceIssued", "zuora", "8ad4:2", again, order.correlation_id)
    make.run("record_invoice")
    stopped = Case.objects.get(business_key="INV-8")
    assert stopped.reason == "invoice_mismatch"
    shown = read(client, f"/cases/{stopped.id}")
    assert closed.shown in shown and "asks to have it read again and booked: it was sold" in shown
