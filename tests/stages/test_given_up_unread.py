"""An invoice that two people gave up while it could not be read: whoever tells of it then, a second person is asked.

DE01 sold ORD-1 to Acme in October 2026; it is 3 November.
"""

from __future__ import annotations

import datetime as dt
from typing import Any

import msgspec
import pytest
from django.contrib.auth import get_user_model
from msgspec.structs import replace

from exceptions.errors import NotPossible
from exceptions.models import Approval, Case
from q2c import clock
from q2c.engine import after_all, desk, emit, intake, run
from q2c.engine.envelope import Item, Sender
from q2c.models import Invoice
from q2c.reading import given_up, unread, what_stays
from q2c.stages import withdrawn
from tests.engine.makers import case, order, person, run_all
from tests.stages.test_given_up import give_up
from tests.stages.test_invoices_and_journals import SOUND, arrives, record

pytestmark = pytest.mark.django_db
SOUND_AS_SENT = msgspec.json.decode(msgspec.json.encode(SOUND))
UNREADABLE = {"currency": "XXQ"}


def send(id_: str, source: str = "back-office", type_: str = "InvoiceIssued", **changes: Any) -> Any:
    """By the API, with the key of the back office."""
    document = {name: value for name, value in (SOUND_AS_SENT | changes).items() if value is not None}
    attributes = {"specversion": "1.0", "id": id_, "source": source, "type": type_, "time": clock.now().isoformat()}
    item = Item(body=msgspec.json.encode(document), attributes=attributes, content_type="application/json")
    (taken,) = intake.take([item], Sender(system="back-office", actor="api:back-office"))
    return taken


def books(company: Any) -> int:
    """How many journals the ledger has, once all is worked on."""
    run.drain("record_invoice")
    run_all()
    return int(company["erp-de"].writes)


def reader() -> Any:
    users = get_user_model().objects
    return users.filter(is_superuser=True).first() or users.create_superuser("reader")


def the_question() -> Case:
    return Case.objects.get(reason="invoice_given_up", state="awaiting_approval")


@pytest.mark.parametrize("source", ["back-office", "back-office/eu"])
def test_one_by_the_api_is_asked_about_whatever_source_the_key_names(company: Any, source: str) -> None:
    order()
    send("e-1", source, **UNREADABLE)
    closed = Case.objects.get()
    give_up(closed, "test_data")
    with clock.at(clock.now() + dt.timedelta(minutes=5)):
        assert send("e-2", source).status == "stored"
        assert books(company) == 0
    assert the_question().text == (
        f"Invoice INV-1 was given up on 2026-11-03 ({closed.shown}, test data) as it could not be read, and {source} "
        "tells of it so that it can"
    )
    assert the_question().shown in what_stays.has(reader(), Case.objects.get(id=closed.id))
    desk.approve(person("cleo"), [Approval.objects.get(state="requested").id], "right now")
    assert books(company) == 1


@pytest.mark.parametrize("hidden", [
    {}, {"billing_reference": None}, {"legal_entity": "NOPE"}, {"billing_reference": None, "invoice_number": None},
], ids=["all", "no reference", "no entity", "its id alone"])  # fmt: skip
def test_whatever_could_be_read_of_it_then(company: Any, hidden: dict[str, Any]) -> None:
    order()
    send("e-1", **UNREADABLE, **hidden)
    give_up(Case.objects.get(), "other")
    send("e-1")
    assert books(company) == 0 and the_question().business_key == "INV-1"


def test_one_that_could_not_be_stored_is_asked_about_too(company: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    order()
    with monkeypatch.context() as broken:
        broken.setattr(emit, "store", lambda facts: 1 / 0)
        assert send("e-1").status == "refused"
    give_up(Case.objects.get(reason="internal_error"), "other")
    send("e-2")
    assert books(company) == 0 and the_question().business_key == "INV-1"


@pytest.mark.parametrize("entity", ["DE01", "NOPE"])
def test_another_system_that_tells_of_it_books_it_as_little(company: Any, entity: str) -> None:
    order()
    send("e-1", **UNREADABLE, legal_entity=entity)
    give_up(Case.objects.get(), "test_data")
    arrives("InvoiceIssued", replace(SOUND, billing_reference="other-1"), source="zuora")
    assert books(company) == 0 and "zuora tells of it" in the_question().text


@pytest.mark.parametrize(("sent", "changes"), [
    ({"legal_entity": "US01"}, {}),
    ({"legal_entity": "NOPE", "order_number": "ORD-2"}, {}),
    ({}, {"invoice_number": "INV-2", "billing_reference": "b-2"}),
], ids=["another entity's", "no entity, another order's", "another number"])  # fmt: skip
def test_what_another_system_tells_of_another_invoice_is_booked(
    company: Any, sent: dict[str, Any], changes: dict[str, Any]
) -> None:
    order()
    order("ORD-2")
    send("e-1", **UNREADABLE, **sent)
    give_up(Case.objects.get(), "test_data")
    arrives("InvoiceIssued", replace(SOUND, **changes), source="zuora")
    assert books(company) == 1


def test_of_what_was_no_invoice_or_contradicts_one_nobody_is_asked(company: Any) -> None:
    """An order that cannot be read under the invoice's number; and the invoice's own id with other content."""
    send("INV-1", type_="OrderReceived")
    give_up(case("INV-1"), "other")
    assert "a second person decides" not in what_stays.has(reader(), case("INV-1"))
    send("b-1")
    assert send("b-1", account="OTHER-EUR").status == "conflict"
    give_up(Case.objects.get(reason="event_conflict"), "other", by=("dan", "eve"))
    assert unread.given_up(reader()) == [] and unread.unplaced(reader()) == []
    order()
    assert books(company) == 1


def test_a_version_of_a_booked_invoice_that_was_given_up_is_another_matter(company: Any) -> None:
    """It left the flow later, as billing took it back, and is posted there again."""
    order()
    company["erp-de"].inactive.add(("cost_center", "CC-410"))
    record(SOUND)
    run_all()
    with clock.at(clock.now() + dt.timedelta(hours=1)):
        send("e-1", **UNREADABLE)
        give_up(Case.objects.get(step_id=None), "other")
    with clock.at(clock.now() + dt.timedelta(hours=2)):
        assert withdrawn.invoice("zuora", "b-1", "poll:zuora", "canceled there")
        company["erp-de"].inactive.clear()
        record(SOUND)
        assert books(company) == 1
    assert not Case.objects.filter(reason="invoice_given_up").exists()


def test_one_that_had_left_the_flow_before_it_was_given_up_is_asked_about(company: Any) -> None:
    order()
    company["erp-de"].inactive.add(("cost_center", "CC-410"))
    record(SOUND)
    run_all()
    with clock.at(clock.now() + dt.timedelta(hours=1)):
        assert withdrawn.invoice("zuora", "b-1", "poll:zuora", "canceled there")
    with clock.at(clock.now() + dt.timedelta(hours=2)):
        send("e-1", **UNREADABLE)
        give_up(Case.objects.get(state="open"), "other")
        company["erp-de"].inactive.clear()
        record(SOUND)
        assert books(company) == 0
    assert the_question().business_key == "INV-1"


@pytest.mark.parametrize("differs", [{"account": "OTHER-EUR"}, {"total_minor": 139_001}])
def test_a_double_that_was_given_up_leaves_the_true_invoice_its_own(company: Any, differs: dict[str, Any]) -> None:
    """Billing's INV-1 is recorded; the back office's is closed as the wrong one. Billing then takes its own back,
    before it was sent, and posts it again."""
    order()
    company["erp-de"].inactive.add(("cost_center", "CC-410"))
    record(SOUND)
    run_all()
    with clock.at(clock.now() + dt.timedelta(hours=1)):
        arrives("InvoiceIssued", replace(SOUND, billing_reference="x-1", **differs), source="back-office")
        run.drain("record_invoice")
        give_up(Case.objects.get(reason="invoice_duplicate"), "duplicate")
    with clock.at(clock.now() + dt.timedelta(hours=2)):
        assert withdrawn.invoice("zuora", "b-1", "poll:zuora", "canceled there")
        company["erp-de"].inactive.clear()
        record(SOUND)
        assert books(company) == 1
    assert Invoice.objects.get(state="posted").source == "zuora"


def of_october() -> list[Any]:
    sums = given_up.of_open_months(reader()).get(("DE01", "2026-10"))
    return [(one.number, one.where, one.amount_minor) for one in sums.found["invoice"]] if sums else []


@pytest.mark.parametrize("source", ["back-office", "back-office/eu"])
def test_one_by_the_api_is_told_at_the_close_until_it_comes_so_that_it_can_be_read(company: Any, source: str) -> None:
    order()
    send("e-1", source, due_on="2026-09-01")
    assert of_october() == []
    give_up(Case.objects.get(), "test_data")
    assert of_october() == [("INV-1", source, 139_000)]
    with clock.at(clock.now() + dt.timedelta(minutes=5)):
        send("e-2", source)
        assert of_october() == [], "it stands in the flow: a person is asked"
        books(company)
        desk.refuse(person("cleo"), [Approval.objects.get(state="requested").id], "still a test")
    assert of_october() == [("INV-1", source, 139_000)]


def test_one_by_the_api_of_no_known_period_is_told_at_every_close(company: Any) -> None:
    send("e-1", legal_entity="NOPE", due_on="2026-09-01")
    assert [one.shown for one in unread.unplaced(reader())] == [Case.objects.get().shown]
    give_up(Case.objects.get(), "test_data")
    assert [one.shown for one in unread.unplaced(reader())] == [Case.objects.get().shown]


def test_what_another_system_tells_of_is_told_once(company: Any) -> None:
    order()
    send("e-1", due_on="2026-09-01")
    give_up(Case.objects.get(), "test_data")
    with clock.at(clock.now() + dt.timedelta(minutes=5)):
        arrives("InvoiceIssued", SOUND, source="zuora")
        assert of_october() == []
        books(company)
        desk.refuse(person("cleo"), [Approval.objects.get(state="requested").id], "still a test")
        assert of_october() == [("INV-1", "zuora", 139_000)]


def test_a_version_that_can_be_read_and_one_that_cannot_are_one_invoice(company: Any) -> None:
    """Given up while it could be read, then changed so that it cannot, and given up once more; it is told once."""
    order()
    send("e-1", account="OTHER-EUR")
    run.drain("record_invoice")
    give_up(case("INV-1"), "other")
    assert of_october() == [("INV-1", "back-office", 139_000)]
    with clock.at(clock.now() + dt.timedelta(minutes=5)):
        send("e-2", due_on="2026-09-01", total_minor=138_000)
        assert of_october() == [], "somebody's open case"
        give_up(Case.objects.get(state="open"), "other", by=("dan", "eve"))
        assert of_october() == [("INV-1", "back-office", 138_000)]


def test_two_systems_of_which_neither_could_be_read_tell_of_one_invoice(company: Any) -> None:
    order()
    send("e-1", due_on="2026-09-01")
    give_up(Case.objects.get(), "other")
    with clock.at(clock.now() + dt.timedelta(minutes=5)):
        send("e-1", "back-office/eu", due_on="2026-09-01", billing_reference="eu-1")
        assert of_october() == [], "somebody's open case"
        give_up(Case.objects.get(state="open"), "other", by=("dan", "eve"))
    assert of_october() == [("INV-1", "back-office/eu", 139_000)]


@pytest.mark.parametrize("hidden", [{}, {"billing_reference": None}], ids=["all", "no reference"])
def test_sent_again_as_it_was_given_up_it_is_no_case_of_its_own(company: Any, hidden: dict[str, Any]) -> None:
    order()
    assert send("e-1", **UNREADABLE, **hidden).status == "refused"
    closed = Case.objects.get()
    give_up(closed, "other")
    with clock.at(clock.now() + dt.timedelta(minutes=5)):
        again = send("e-1", **UNREADABLE, **hidden)
        assert (again.status, again.case_id, Case.objects.count()) == ("refused", closed.id, 1)
        assert closed.events.filter(kind="failed_again", text="sent again unchanged").count() == 1
        assert Case.objects.get().state == "closed_without_fix"
        # Said otherwise, it is somebody's case; and so it is as it was, since that came in between.
        other = send("e-2", **UNREADABLE, **hidden, total_minor=1)
        assert other.case_id != closed.id and Case.objects.filter(state="open").count() == 1
    with clock.at(clock.now() + dt.timedelta(minutes=10)):
        assert send("e-1", **UNREADABLE, **hidden).case_id not in (closed.id, other.case_id)


def test_sent_again_since_it_could_be_read_it_is_a_case(company: Any) -> None:
    order()
    send("e-1", **UNREADABLE)
    closed = Case.objects.get()
    give_up(closed, "other")
    with clock.at(clock.now() + dt.timedelta(minutes=5)):
        assert send("e-2").status == "stored"
    with clock.at(clock.now() + dt.timedelta(minutes=10)):
        assert send("e-1", **UNREADABLE).case_id != closed.id


def test_what_another_system_sent_is_not_asked_for_here(company: Any) -> None:
    order()
    send("e-1", "back-office/eu", **UNREADABLE)
    closed = Case.objects.get()
    give_up(closed, "test_data")
    with pytest.raises(NotPossible, match="back-office/eu cannot be asked for it: have it sent again"):
        after_all.ask(person("zoe"), closed.id, "it was sold")
    assert "Once it comes so that it can be read" in what_stays.has(reader(), Case.objects.get(id=closed.id))
