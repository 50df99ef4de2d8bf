"""Who maintains customers: the sales platform and people. An order of anybody else changes none of them."""

from __future__ import annotations

import datetime as dt
import json
from typing import Any

import pytest

from exceptions.models import Case
from q2c import clock
from q2c.engine.intake import Item, Sender
from q2c.engine.submit import item_of, rehearse, submit
from q2c.models import Connection, Customer
from tests.intake.documents import order as document
from tests.stages.conftest import MONDAY, Desk, tell

pytestmark = pytest.mark.django_db(transaction=True)

ACME = {"key": "C-ACME", "name": "Acme Inc", "pays_for_itself": True,
        "billing_address": {"country": "US", "region": "CA"}}  # fmt: skip


@pytest.fixture
def crm(desk: Desk) -> Connection:
    return Connection.objects.create(
        name="crm", title="Salesforce", vendor="salesforce", service="crm", base_url="sandbox://salesforce"
    )


def acme(**changes: Any) -> list[dict[str, Any]]:
    return [{**ACME, **changes}]


def sells(desk: Desk, minutes: int, source: str = "crm", number: str = "", **party: Any) -> None:
    """A deal of Acme's, with what its sender says about Acme."""
    with clock.at(MONDAY + dt.timedelta(minutes=minutes)):
        changes = {"order_number": number or f"SO-{minutes}", "parties": acme(**party)}
        assert tell("OrderReceived", f"{source}-{minutes}:1", source, document(**changes)) == "stored"
        desk.works()


def customer(key: str = "C-ACME") -> Customer:
    return Customer.objects.get(key=key)


def reasons(key: str = "C-ACME") -> list[str]:
    return [str(row.history_change_reason or "") for row in customer(key).history.order_by("history_id")]


def posted(**changes: Any) -> tuple[Item, Sender]:
    body = json.dumps(document(**changes)).encode()
    return item_of(body, "webshop"), Sender(system="webshop", actor="api:webshop")


def test_an_order_does_not_reactivate_its_customer(desk: Desk) -> None:
    with clock.at(MONDAY - dt.timedelta(days=1)):
        Customer.objects.create(key="C-ACME", name="Acme, held", active=False, pays_for_itself=True)
    desk.comes(parties=acme(active=True, name="Acme again"))
    desk.works()
    assert (desk.case.reason, desk.case.customer) == ("customer_inactive", "Acme, held")
    assert (customer().active, customer().name, reasons()) == (False, "Acme, held", [""])


def test_an_order_that_is_refused_changes_no_stranger(desk: Desk) -> None:
    with clock.at(MONDAY - dt.timedelta(days=1)):
        Customer.objects.create(key="C-OTHER", name="Other Ltd", email="ap@other.example")
    before = Customer.objects.values().get()
    stranger = {"key": "C-OTHER", "name": "Mine now", "active": False, "parent": "C-ACME", "email": "me@evil.example"}
    for changes in ({"closed_on": "2020-01-01"}, {}):
        submit(*posted(parties=[*acme(), stranger], **changes))
    assert Customer.objects.filter(key="C-OTHER").values().get() == before


def test_an_unknown_customer_is_kept_once_its_order_is_accepted(desk: Desk) -> None:
    assert rehearse(*posted()).status == "accepted"
    assert not Customer.objects.exists()
    assert submit(*posted(closed_on="2020-01-01")).status == "refused"
    assert not Customer.objects.exists()
    parent = {"key": "C-TOP", "name": "Acme Group", "active": True}
    unused = {"key": "C-UNUSED", "name": "Nobody asked"}
    answer = submit(*posted(parties=[*acme(parent="C-TOP"), parent, unused]))
    assert answer.status == "accepted"
    assert set(Customer.objects.values_list("key", "parent_key")) == {("C-ACME", "C-TOP"), ("C-TOP", "")}
    assert reasons() == ["With order SO-1001 from webshop"]


def test_an_order_puts_no_parent_above_a_known_customer(desk: Desk) -> None:
    with clock.at(MONDAY - dt.timedelta(days=1)):
        Customer.objects.create(key="C-ACME", name="Acme Inc", pays_for_itself=True)
    desk.comes(parties=[*acme(parent="C-TOP"), {"key": "C-TOP", "name": "Mine"}])
    desk.works()
    assert desk.order.state == "accepted"
    assert list(Customer.objects.values_list("key", "parent_key")) == [("C-ACME", "")]


def test_an_unknown_customer_under_an_inactive_parent_is_refused(desk: Desk) -> None:
    Customer.objects.create(key="C-TOP", name="Held", active=False)
    desk.comes(parties=[*acme(parent="C-TOP"), {"key": "C-TOP", "name": "Free", "active": True}])
    desk.works()
    assert desk.case.reason == "customer_inactive"
    assert list(Customer.objects.values_list("key", "active")) == [("C-TOP", False)]


def test_the_sales_platform_renames_and_the_later_word_counts(desk: Desk, crm: Connection) -> None:
    sells(desk, 1)
    sells(desk, 10, name="Acme Incorporated")
    assert customer().name == "Acme Incorporated"
    sells(desk, 5, name="Acme of before")
    assert customer().name == "Acme Incorporated"
    with clock.at(MONDAY + dt.timedelta(minutes=20)):
        one = customer()
        one.name = "Acme, says a person"
        one.save()
    sells(desk, 15, name="Acme at a quarter past")
    assert customer().name == "Acme, says a person"
    sells(desk, 30, name="Acme at half past")
    assert customer().name == "Acme at half past"
    assert reasons() == ["With order SO-1 from crm", "With order SO-10 from crm", "", "With order SO-30 from crm"]


def test_the_sales_platform_deactivates_and_reactivates_what_it_deactivated(desk: Desk, crm: Connection) -> None:
    sells(desk, 1)
    sells(desk, 2, active=False)
    assert not customer().active
    assert Case.objects.get().reason == "customer_inactive"
    sells(desk, 3, active=True)
    assert customer().active


@pytest.mark.parametrize("how", ["as it was made", "later"])
def test_what_a_person_set_stays(desk: Desk, crm: Connection, how: str) -> None:
    chosen = {"active": False, "parent_key": "C-HOLDING"}
    Customer.objects.create(key="C-HOLDING", name="Holding", pays_for_itself=True)
    if how == "later":
        sells(desk, 1)
        with clock.at(MONDAY + dt.timedelta(minutes=2)):
            one = customer()
            one.active, one.parent_key = False, "C-HOLDING"
            one.save()
    else:
        Customer.objects.create(key="C-ACME", name="Acme", **chosen)
    sells(desk, 10, name="Acme Incorporated")
    assert (customer().name, customer().active, customer().parent_key) == ("Acme Incorporated", False, "C-HOLDING")
    assert Case.objects.get().reason == "customer_inactive"


def test_parties_that_a_deal_is_not_about_are_left_alone(desk: Desk, crm: Connection) -> None:
    Customer.objects.create(key="C-OTHER", name="Other Ltd")
    with clock.at(MONDAY + dt.timedelta(minutes=1)):
        tell("OrderReceived", "x", "crm", document(parties=[*acme(), {"key": "C-OTHER", "name": "Else"}]))
        desk.works()
    assert customer("C-OTHER").name == "Other Ltd"


def test_what_is_said_again_leaves_no_history(desk: Desk, crm: Connection) -> None:
    sells(desk, 1)
    sells(desk, 2)
    assert len(reasons()) == 1
    assert customer().changed_at == MONDAY + dt.timedelta(minutes=2)
