"""A finance-systems person at the screen: a period is closed in the ERP, and a journal meets it; it is found,
understood, put right there, offered, dry-run, replayed, and comes back with its document number.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

import pytest
from django.contrib.auth import get_user_model

from exceptions.models import Case
from ledger.models import JournalEntry
from q2c import clock
from q2c.celery import app
from q2c.demo.company import ERP
from q2c.demo.deals import Deal, Line
from q2c.models import Invoice, Step
from tests.browser.conftest import Person, Room
from tests.scenarios.conftest import LEEDS
from tests.scenarios.workers import until

pytestmark = pytest.mark.django_db(transaction=True)
PASSWORD = "eleven lazy herons"
LOOKS = [(1280, "light"), (1280, "dark"), (390, "light"), (390, "dark")]


def sooner(task: str, done: Callable[[], object]) -> None:
    """Waits for what a task of the schedule brings, and has it run before beat would."""
    row, asked = app.conf.beat_schedule[task], [0.0]

    def nudged() -> object:
        if time.monotonic() - asked[0] > 2:
            asked[0] = time.monotonic()
            app.send_task(row["task"], **row["options"])
        return done()

    until(nudged, 120)


def blocked_journal(room: Room, number: str, *, is_closed: bool = False) -> Case:
    """Leeds Railways buys two days of training, while the ERP's period of today is closed."""
    story, day = room.story, clock.today()
    if not is_closed:
        story.platforms.change(ERP, "accountingPeriod", f"{day:%b %Y}", closed=True)
    deal = Deal(
        number=number, customer=LEEDS, closed_on=day, starts_on=day, months=12, contract_entity="UK", currency="GBP",
        groups={"UK": LEEDS}, lines=[Line(product="TRAINING", group="UK", quantity=2)],
    )  # fmt: skip
    story.sales.close([deal])
    sooner("poll-sources", Step.objects.filter(stage="activate_subscription", state="done", business_key=number).exists)
    story.platforms.control("zuora", "bill-run", {"until": day.isoformat()})
    stuck = Case.objects.filter(reason="period_closed", state="open")
    sooner("poll-sources", stuck.exists)
    return stuck.get()


def person(browser: Any, room: Room, name: str, **more: Any) -> Person:
    user = get_user_model().objects.get(username=name)
    user.set_password(PASSWORD)
    user.save()
    made = Person(browser, room.url, **more)
    made.sign_in(name, PASSWORD)
    return made


def test_a_failed_journal_is_found_put_right_and_replayed(room: Room, browser: Any) -> None:
    """At both widths, light and dark; then every page is looked at."""
    for place, (width, scheme) in enumerate(LOOKS, 1):
        mei = person(browser, room, "mei", width=width, scheme=scheme)
        switched_in_the_sandbox(mei, "Close", "period closed in the sandbox")
        case = blocked_journal(room, f"SO-600{place}", is_closed=True)
        found_and_read(mei, case)
        switched_in_the_sandbox(mei, "Open", "period opened in the sandbox")
        replayed_from_the_offer(mei, case)
        case.refresh_from_db(fields=["document"])
        assert len(room.story.documents()) == place
        confirmed(mei, case, f"SO-600{place}")
        assert mei.complaints == []
        mei.context.close()
    every_page(room, browser, blocked_journal(room, "SO-6009"))


def found_and_read(mei: Person, case: Case) -> None:
    """The control tower says that something waits; the customer's name finds it."""
    page = mei.page
    mei.goes("/")
    assert "needs a person" in mei.text() or "need a person" in mei.text()
    mei.keeps("control tower with a blocked journal")
    mei.goes("/queue?q=Leeds")
    assert "Leeds Railways" in mei.text()
    mei.keeps("queue by customer")
    page.click(f"a[data-open][href='/cases/{case.id}']")
    said = mei.text()
    assert "closed" in said and "3,600.00" in said and case.text in said
    mei.keeps("case of a closed period")
    # What a replay would book, with the period still closed.
    page.get_by_role("link", name="Dry run: what a replay would book today").click()
    page.wait_for_selector("#dry-run >> text=/would fail|closed/i")
    mei.keeps("dry run while closed")


def replayed_from_the_offer(mei: Person, case: Case) -> None:
    """The room notices by itself and offers."""
    page = mei.page
    sooner("watch-blockers", lambda: _offered(mei))
    mei.keeps("offer")
    page.get_by_role("button", name="Look at the dry run").click()
    page.wait_for_selector("text=Would pass")
    assert "Nothing has been sent" in mei.text()
    mei.keeps("dry run of the offer")
    page.get_by_role("button", name="Send it").click()
    until(Case.objects.filter(id=case.id, state="resolved").exists, 60)


def confirmed(mei: Person, case: Case, order: str) -> None:
    """Its document number is told where it was sent, on its case and in its trace."""
    invoice = Invoice.objects.get(order__number=order)
    assert invoice.state == "posted"
    mei.page.wait_for_selector(f"text={case.document}")
    mei.keeps("replay confirmed")
    mei.goes(f"/cases/{case.id}")
    assert case.document in mei.text()
    mei.keeps("case resolved")
    mei.goes(f"/trace?q={invoice.number}")
    assert order in mei.text() and case.document in mei.text()
    mei.keeps("trace from deal to document")


def switched_in_the_sandbox(who: Person, verb: str, picture: str) -> None:
    """As the ERP's own user: this month's period is closed, or opened again."""
    who.goes("/sandbox/netsuite/records/accountingPeriod")
    row = who.page.locator("tr", has_text=f"{clock.today():%b %Y}").first
    row.get_by_role("button", name=verb).click()
    who.page.wait_for_load_state("networkidle")
    who.keeps(picture)


def _offered(who: Person) -> bool:
    who.goes("/queue")
    return "Look at the dry run" in who.text()


def every_page(room: Room, browser: Any, case: Case) -> None:
    """With data, as each page is met; pictures are kept. Signing in and reading work without script."""
    pages = pages_with(case, Invoice.objects.get(order__number="SO-6009"))
    for width, scheme in LOOKS:
        guest = Person(browser, room.url, width=width, scheme=scheme)
        guest.goes("/sign-in")
        guest.keeps("page sign-in")
        mei = person(browser, room, "mei", width=width, scheme=scheme)
        for place, path in enumerate([*pages, "/sandbox", "/sandbox/netsuite"], 10):
            mei.goes(path)
            mei.keeps(f"page {place} {path.split('?')[0].strip('/').split('/')[0] or 'home'}")
        assert (guest.complaints, mei.complaints) == ([], [])
    reader = person(browser, room, "arthur", script=False)
    for path, said in pages.items():
        reader.goes(path)
        assert said in reader.page.inner_text("main"), path


def pages_with(case: Case, invoice: Invoice) -> dict[str, str]:
    """Each page, and what is read on it."""
    journals = JournalEntry.objects.filter(business_document=f"invoice:{invoice.number}")
    posted = JournalEntry.objects.filter(state="posted").order_by("id")[0]
    return {
        "/": "1 case needs a person", "/queue": "Leeds Railways", "/problems": "in netsuite",
        f"/problems/{case.problem_id}": "Leeds Railways", f"/cases/{case.id}": case.text, "/orders": "SO-6009",
        f"/orders/{invoice.order_id}": invoice.number, "/invoices": invoice.number,
        f"/invoices/{invoice.id}": "3,600.00", "/journals": posted.document_number,
        f"/journals/{journals.get().id}": "3,600.00", f"/journals/{posted.id}": posted.document_number,
        "/process": "One customer per platform", "/trace": "Trace", f"/trace?q={invoice.number}": "SO-6009", "/replays": "1 confirmed",
        "/approvals": "Approvals", "/preferences": "Time zone",
    }  # fmt: skip
