"""Who signs a reversal reads by what the ledger would refuse its mirror entry, where journals that wait there tell.

DE01 sells O-1 to Acme on 3 November 2026 and bills INV-1, which is posted. The journal of INV-2 is refused by erp-de01.
"""

from __future__ import annotations

import datetime as dt
from typing import Any

import pytest

from exceptions import unblock
from exceptions.models import Approval, Case
from q2c.connectors.outcomes import Blocker, Rejected
from q2c.engine import desk
from q2c.models import Order
from q2c.reasons import Reason
from tests import flow_makers as make
from tests.ui.people import read, signed_in
from tests.ui.test_asked_for_told import reversing
from tests.ui.test_closed_meanwhile_told import asked, card_and_dialog, decide, shut
from tests.ui.test_differences_told import boss_of
from tests.ui.test_given_up_told import _noon, order

__all__ = ["_noon", "order"]
pytestmark = pytest.mark.django_db
REFUSED = "Its posting would be refused, as journals that wait for the same show:"
REMEDY = "have that put right there first, or the mirror entry waits as a case until it is."


def refuses(order: Order, kind: str, key: str, condition: str, connection: str = "erp-de01") -> None:
    """The journal of INV-2, also of November, meets it."""
    blocker = Blocker(connection=connection, object_type=kind, object_key=key, condition=condition)
    make.bill(order, "INV-2")
    make.run("record_invoice")
    make.run("post_journal", lambda work: Rejected(reason=Reason.JOURNAL_REFUSED, text="no", blocker=blocker))
    assert Case.objects.get(business_key="INV-2").blocker_key == key


@pytest.mark.parametrize(
    ("kind", "key", "condition", "said"),
    [
        ("fiscal_period", "2026-11", "closed", "period November 2026 in erp-de01 is closed"),
        ("fiscal_period", "Nov 2026", "locked", "period Nov 2026 in erp-de01 is locked"),
        ("fiscal_period", "DE01:2026-11", "missing", "period DE01:2026-11 in erp-de01 is missing"),
        ("account", "1100", "inactive", "account 1100 in erp-de01 is inactive"),
        ("account", "DE01:1100", "unknown", "account DE01:1100 in erp-de01 is not known"),
        ("cost_center", "CC-410", "inactive", "cost centre CC-410 in erp-de01 is inactive"),
        ("customer", "A-Acme GmbH", "inactive", "customer A-Acme GmbH in erp-de01 is inactive"),
        ("connection", "erp-de01", "credentials_refused", "connection erp-de01 is refusing our credentials"),
    ],
)
def test_the_card_and_the_dialog_say_it_with_what_to_do(
    order: Order, kind: str, key: str, condition: str, said: str
) -> None:
    refuses(order, kind, key, condition)
    for told in card_and_dialog(signed_in(boss_of()), asked()):
        assert told.count(f"{REFUSED} {said}; {REMEDY}") == 1


@pytest.mark.parametrize(
    ("kind", "key", "condition", "connection"),
    [
        ("account", "1199", "inactive", "erp-de01"),
        ("cost_center", "CC-411", "inactive", "erp-de01"),
        ("cost_center", "1100", "inactive", "erp-de01"),
        ("account", "US01:1100", "inactive", "erp-de01"),
        ("account", "1100", "inactive", "erp-us01"),
        ("item_mapping", "PLATFORM", "unmapped", "erp-de01"),
    ],
)
def test_nothing_is_said_where_the_mirror_entry_names_none_of_it(
    order: Order, kind: str, key: str, condition: str, connection: str
) -> None:
    refuses(order, kind, key, condition, connection)
    request = asked()
    assert REFUSED not in " ".join(card_and_dialog(signed_in(boss_of()), request))


def test_nothing_is_said_on_a_day_of_another_period(order: Order) -> None:
    refuses(order, "fiscal_period", "2026-11", "closed")
    reversing(dt.date(2026, 12, 1))
    assert REFUSED not in " ".join(card_and_dialog(signed_in(boss_of()), Approval.objects.get(state="requested")))


@pytest.mark.parametrize(("entity", "key", "condition", "told"), [
    ("US01", "2026-11", "closed", True), ("US01", "Nov 2026", "locked", False), ("US01", "US01:2026-11", "closed", False),
])  # fmt: skip
def test_what_another_entity_met_in_the_same_ledger_counts_where_it_is_closed_for_all(
    order: Order, entity: str, key: str, condition: str, told: bool
) -> None:
    refuses(order, "fiscal_period", key, condition)
    Case.objects.filter(business_key="INV-2").update(entity=entity)
    assert (REFUSED in card_and_dialog(signed_in(boss_of()), asked())[0]) is told


def test_once_it_is_gone_nothing_is_said_nor_of_what_is_decided(order: Order) -> None:
    refuses(order, "cost_center", "CC-410", "inactive")
    client, request = signed_in(boss_of()), asked()
    assert REFUSED in card_and_dialog(client, request)[0]
    unblock.blocker_gone("erp-de01", "cost_center", "CC-410", "inactive")
    assert REFUSED not in " ".join(card_and_dialog(client, request))
    Case.objects.update(blocker_gone_at=None)
    assert "sent; once the ledger has posted it, the journal is reversed" in decide(client, request)
    assert "Reverse a journal" in (page := read(client, "/approvals?view=decided")) and REFUSED not in page


def test_of_one_that_is_stopped_here_nothing_is_said_of_the_ledger(order: Order) -> None:
    refuses(order, "account", "1100", "inactive")
    client, request = signed_in(boss_of()), asked()
    shut()
    card, _ = card_and_dialog(client, request)
    assert "Period 2026-11 of DE01 (receivables) is closed" in card and REFUSED not in card


def test_given_up_its_case_tells_of_nothing_any_more(order: Order, django_user_model: Any) -> None:
    refuses(order, "account", "1100", "inactive")
    asks, signs = (django_user_model.objects.create_superuser(name) for name in ("asks", "signs"))
    desk.close_without_fix(asks, [Case.objects.get(business_key="INV-2").id], "booked by hand", "other")
    desk.approve(signs, [Approval.objects.get(state="requested").id], "agreed")
    assert REFUSED not in " ".join(card_and_dialog(signed_in(boss_of()), asked()))
