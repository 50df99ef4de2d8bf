"""Another system tells of an invoice, and billing has it otherwise: whoever decides reads that, and each case says whose
word it is about.

DE01 sold ORD-1 to Acme in October 2026; it is 3 November. INV-1 is worth EUR 1,390.00, and EUR 1,490.00 in billing.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable
from functools import partial
from typing import Any

import pytest
from django.contrib.auth import get_user_model
from msgspec.structs import replace

from exceptions.models import Approval, Case
from q2c.engine import desk
from q2c.engine.sources import Invoices
from q2c.models import CancelledInvoice, Invoice
from q2c.reading import billing_now, blocking, given_up
from tests.engine.makers import NOW, case, person, run_all
from tests.stages.test_billing_told_second import DEARER, FIRST, FIRST_OR_LATER, OCT, agrees
from tests.stages.test_cancelled_elsewhere import GONE, billing, gives, shop_tells
from tests.stages.test_given_up import give_up
from tests.stages.test_given_up_twice import boss, elsewhere
from tests.stages.test_invoices_and_journals import SOUND, record
from tests.ui.people import read, signed_in

pytestmark = pytest.mark.django_db
__all__ = ["billing", "boss"]
# So late a date wants a second person.
AHEAD = NOW.date() + dt.timedelta(days=40)
STOPPED = replace(DEARER, account="OTHER-EUR")
HAS = "zuora has INV-1 at EUR 1,490.00, dated 2026-10-05: booking it as back-office tells it, at EUR 1,390.00, dated "
HAS += "2026-12-13, leaves a difference of EUR 100.00"
CHEAPER = replace(SOUND, lines=(replace(FIRST, net_minor=FIRST.net_minor - 500), *SOUND.lines[1:]), total_minor=138_500)


def asks(**changes: Any) -> None:
    elsewhere(issued_on=AHEAD, due_on=AHEAD, **changes)


def asked() -> Approval:
    return Approval.objects.get(state="requested", case__source="back-office")


def signed_texts() -> list[str]:
    return [finding["text"] for finding in asked().data["findings"]]


def approve() -> None:
    """By somebody new each time."""
    desk.approve(person(f"cleo{Approval.objects.count()}"), [asked().id], "looked at")
    run_all()


def approvals_page(user: Any) -> str:
    return " ".join(read(signed_in(user), "/approvals").split())


# What a second person reads ------------------------------------------------------------------------------------------


@pytest.mark.parametrize("closed", [True, False], ids=["given up", "stopped"])
def test_whoever_signs_signs_what_billing_has(boss: Any, closed: bool) -> None:
    record(STOPPED)
    if closed:
        give_up(case("INV-1"), "other")
    asks()
    assert HAS in signed_texts()
    shown = approvals_page(boss)
    assert shown.count("zuora has INV-1 at EUR 1,490.00, dated Oct 5, 2026") == 2, "the card and its dialog"
    assert "Since this was asked for" not in shown
    while Approval.objects.filter(state="requested").exists():
        approve()
    assert Invoice.objects.get().source == "back-office"
    (gap,) = given_up.of_invoice(boss, Invoice.objects.get())
    assert (gap.where, gap.is_elsewhere) == ("zuora", True)


def test_what_billing_changes_after_somebody_signed_is_asked_anew(boss: Any) -> None:
    record(STOPPED)
    asks()
    record(replace(STOPPED, due_on=STOPPED.due_on + dt.timedelta(days=1)))
    approve()
    assert Invoice.objects.exists(), "another due date is no difference"


def test_another_amount_there_after_the_asking_is_shown_and_asked_anew(boss: Any) -> None:
    record(STOPPED)
    asks()
    record(replace(SOUND, account="OTHER-EUR", total_minor=1))
    now = HAS.replace("1,490.00", "0.01").replace("EUR 100.00", "EUR -1,389.99")
    shown = approvals_page(boss)
    assert shown.count("Since this was asked for: zuora has INV-1 at EUR 0.01") == 2
    approve()
    assert not Invoice.objects.exists() and signed_texts() == [now]
    approve()
    assert Invoice.objects.exists()


def test_told_by_billing_while_another_waits_it_is_shown_by_page_and_api(boss: Any) -> None:
    asks()
    (before,) = signed_texts()
    record(STOPPED)
    client = signed_in(boss)
    assert approvals_page(boss).count("Since this was asked for: zuora has INV-1 at EUR 1,490.00") == 2
    assert client.get(f"/api/v1/approvals/{asked().id}").json()["billing_has"] == HAS
    assert [row["billing_has"] for row in client.get("/api/v1/approvals").json()["results"]] == [HAS]
    assert "zuora has INV-1 at EUR 1,490.00" in read(client, f"/cases/{asked().case_id}")
    assert before != HAS
    approve()
    assert not Invoice.objects.exists() and signed_texts() == [HAS]
    assert client.get(f"/api/v1/approvals/{asked().id}").json()["billing_has"] == ""
    approve()
    assert Invoice.objects.get().source == "back-office"


def test_what_billing_has_the_same_or_took_back_is_not_told(boss: Any) -> None:
    record(replace(SOUND, account="OTHER-EUR", issued_on=AHEAD, due_on=AHEAD))
    asks()
    assert len(signed_texts()) == 1
    record(STOPPED)
    CancelledInvoice.objects.create(
        source="zuora", reference="b-1", entity="DE01", number="INV-1", cancelled_at=NOW, text="gone"
    )
    assert "zuora has INV-1" not in approvals_page(boss)


def test_what_billing_has_as_it_is_told_by_now_is_asked_about_no_more(boss: Any) -> None:
    record(STOPPED)
    asks()
    assert len(signed_texts()) == 2
    record(replace(SOUND, account="OTHER-EUR", issued_on=AHEAD, due_on=AHEAD))
    desk.replay_one(person("carla"), asked().case_id)
    run_all()
    assert len(signed_texts()) == 1 and HAS not in signed_texts()


def test_what_nobody_is_asked_about_is_booked_and_told_as_a_difference(boss: Any) -> None:
    record(STOPPED)
    elsewhere()
    assert Invoice.objects.get().source == "back-office" and not Approval.objects.exists()
    agrees(boss, {OCT: 10_000})


# Told anew by the one that told of it first ---------------------------------------------------------------------------


def told_anew() -> Case:
    return Case.objects.get(source="back-office", state="open")


def billing_tells() -> None:
    record(DEARER)
    run_all()


def back_office_tells() -> None:
    elsewhere(lines=CHEAPER.lines, total_minor=CHEAPER.total_minor)


@pytest.mark.parametrize(
    "tellings", [(billing_tells, back_office_tells), (back_office_tells, billing_tells)], ids=["after", "before"]
)
def test_told_anew_beside_what_billing_has_it_is_no_second_difference(
    boss: Any, tellings: tuple[Callable[[], None], ...]
) -> None:
    elsewhere()
    for tells in tellings:
        tells()
    beside = told_anew()
    assert beside.text.startswith("Invoice INV-1 is booked as back-office told of it, and back-office tells it anew: ")
    assert "its total was EUR 1,390.00 and is EUR 1,385.00" in beside.text
    assert beside.text.endswith(". zuora has it at EUR 1,490.00, dated 2026-10-05")
    assert (beside.amount_minor, beside.context["findings"][0]["differs"]) == (138_500, None)
    differing = sum(row["cases"] for row in blocking.rows(boss) if row["differing"])
    (sums,) = given_up.of_open_months(boss).values()
    assert (differing, sums.count("changed")) == (1, 1)
    assert sum(row["cases"] for row in blocking.rows(boss)) == 2
    assert sum(row["amount_minor"] for row in blocking.rows(boss) if not row["differing"]) == 138_500
    agrees(boss, {OCT: 10_000})
    now = billing_now.of_invoice(Invoice.objects.get())
    assert now is not None and now.now is not None and (now.where, now.now.minor) == ("zuora", 149_000)
    shown = " ".join(read(signed_in(boss), f"/cases/{beside.id}").split())
    assert "In billing now" not in shown.split("What differs")[0] and "What billing has counts" in shown


def test_billing_having_it_as_booked_the_other_case_says_so(boss: Any) -> None:
    elsewhere()
    back_office_tells()
    assert told_anew().context["findings"][0]["differs"] is not None
    record(SOUND)
    assert told_anew().text.endswith(". zuora has it as it is booked")
    assert not any(row["differing"] for row in blocking.rows(boss))
    agrees(boss, {})
    elsewhere()
    assert not Case.objects.filter(state="open").exists()


@pytest.mark.parametrize("first", ["shop", "billing"])
def test_told_anew_of_what_billing_took_back_it_is_no_second_difference_either(
    company: Any, billing: Invoices, first: str
) -> None:
    shop_tells()
    tells = [partial(shop_tells, replace(CHEAPER, billing_reference="other-1")), partial(gives, billing, GONE)]
    for act in tells if first == "shop" else tells[::-1]:
        act()
    beside = Case.objects.get(reason="invoice_changed", state="open")
    assert "its total was EUR 1,390.00 and is EUR 1,385.00" in beside.text
    assert beside.text.endswith(". billing has taken it back")
    user = get_user_model().objects.create_superuser("rosa", password="x")
    assert sum(row["cases"] for row in blocking.rows(user) if row["differing"]) == 1
    (sums,) = given_up.of_open_months(user).values()
    assert sums.kinds == ["cancelled"] and sums.count("cancelled") == 1


# Words ---------------------------------------------------------------------------------------------------------------


@FIRST_OR_LATER
@pytest.mark.parametrize(
    ("lines", "what"),
    [
        (SOUND.lines[:1], "one line fewer"),
        ((*SOUND.lines, *(replace(FIRST, line=n) for n in (3, 4))), "two lines more"),
    ],
    ids=["fewer", "more"],
)
def test_another_number_of_lines_is_told_as_that(boss: Any, lines: Any, what: str, first: bool) -> None:
    elsewhere()
    if not first:
        record(SOUND)
    record(replace(SOUND, lines=lines, total_minor=sum(line.net_minor + line.tax_minor for line in lines)))
    text = Case.objects.get().text
    assert what in text and "another" not in text and "its total was EUR 1,390.00" in text


def test_what_billing_never_changed_is_nowhere_said_to_be_changed(boss: Any) -> None:
    elsewhere()
    billing_tells()
    client, stuck = signed_in(boss), Case.objects.get()
    invoice = Invoice.objects.get()
    addresses = (f"/cases/{stuck.id}", f"/invoices/{invoice.id}", "/differences/DE01/2026-10", "/queue?tab=todo", "/")
    for address in addresses:
        shown = " ".join(read(client, address).split())
        for untrue in (
            "changed in billing after",
            "has changed it since",
            "ut it back in billing",
            "put back in billing",
        ):
            assert untrue not in shown, (address, untrue)
    assert "Invoice is booked otherwise than billing has it" in read(client, f"/cases/{stuck.id}")


def test_given_up_as_billing_told_it_the_other_system_changed_nothing(boss: Any) -> None:
    record(STOPPED)
    give_up(case("INV-1"), "other")
    elsewhere()
    (text, has) = signed_texts()
    assert "as zuora told of it, and back-office tells of it otherwise: " in text and "number at its source" not in text
    assert has.startswith("zuora has INV-1 at EUR 1,490.00, dated 2026-10-05")


# What is booked ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("first", ["back-office", "zuora"])
def test_a_stopped_one_says_what_is_booked_under_its_number(boss: Any, first: str) -> None:
    if first == "zuora":
        record(replace(SOUND, account="OTHER-EUR"))
        elsewhere()
    else:
        elsewhere(account="OTHER-EUR")
        record(SOUND)
        run_all()
    booked, stuck = Invoice.objects.get(), Case.objects.get(state="open")
    assert stuck.source == first != booked.source
    shown = " ".join(read(signed_in(boss), f"/cases/{stuck.id}").split())
    assert "Nothing is booked for it yet" not in shown
    assert f"{booked.source}’s INV-1, EUR 1,390.00, is booked: invoice INV-1, posted" in shown
    assert f"Nothing is booked for what {first} tells." in shown


def test_told_otherwise_of_what_is_booked_nobody_is_sent_to_void_it(boss: Any) -> None:
    record(SOUND)
    run_all()
    back_office_tells()
    stuck = Case.objects.get(state="open")
    assert stuck.text.startswith(
        "Invoice INV-1 is recorded already as zuora told of it, and comes from back-office with "
    )
    shown = " ".join(read(signed_in(boss), f"/cases/{stuck.id}").split())
    assert "What is booked stands" in shown.split("Accounting impact")[0]
    assert "Void or credit one of them" not in shown.split("Accounting impact")[0]
    assert "zuora’s INV-1, EUR 1,390.00, is booked" in shown
