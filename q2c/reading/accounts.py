"""Everything of one account: a customer by its key or by what a platform calls it, or what billing keeps for one
payer and currency. Each look-up goes by an index.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from django.db.models import Q

from exceptions.models import Case
from exceptions.models.case import UNRESOLVED
from ledger.models import JournalEntry
from q2c.models import CrossReference, Customer, Invoice, Order, OrderGroup
from q2c.money import EXPONENTS
from q2c.reading import given_up
from q2c.reading.differences import Difference
from q2c.reading.invoices import named_as
from q2c.stages.orders import account_key, account_number

MOST = 20


@dataclass(frozen=True, slots=True)
class Account:
    """`currency` is empty where all that is billed to the payer is meant. `called` says who calls it so, if another."""

    payer: str
    currency: str = ""
    called: str = ""


@dataclass(slots=True)
class Records:
    """What there is of accounts, newest first, at most MOST of each; `more` names the nouns that there are more of."""

    orders: list[Order] = field(default_factory=list)
    invoices: list[Invoice] = field(default_factory=list)
    journals: list[JournalEntry] = field(default_factory=list)
    cases: list[Case] = field(default_factory=list)
    given_up: list[Difference] = field(default_factory=list)
    more: set[str] = field(default_factory=set)

    def __bool__(self) -> bool:
        return bool(self.orders or self.invoices or self.journals or self.cases or self.given_up)


def named(query: str) -> list[Account]:
    """The accounts that an identifier names, as typed: A-10049, A-10093-JPY, or an id on a platform."""
    rows = CrossReference.objects.filter(kind="customer")
    ours = rows.filter(our_key=query)
    numbered = rows.filter(document=query).exclude(document="")
    theirs = dict.fromkeys((*rows.filter(reference=query)[:MOST], *numbered[:MOST], *ours))
    there = [(row.our_key, f"customer in {row.connection}") for row in theirs]
    asked = there or [(query, "")]
    known = _known([part for key, _ in asked for part in (key, key.rpartition("-")[0])])
    return [account for key, called in asked if (account := _of(key, known, called)) is not None]


def _known(keys: Sequence[str]) -> set[str]:
    return set(Customer.objects.filter(key__in=[key for key in keys if key]).values_list("key", flat=True))


def _of(key: str, known: set[str], called: str = "") -> Account | None:
    payer, _, currency = key.rpartition("-")
    if key in known:
        return Account(key, called=called)
    if payer in known and currency in EXPONENTS:
        return Account(payer, currency, called)
    return Account(key, called=called) if called else None


def orders_of(user: Any, accounts: Sequence[Account]) -> list[Order]:
    """Bought by them or billed to them, the newest first, and one more than MOST where there are more."""
    payers = [account.payer for account in accounts if not account.currency]
    billed, bought = Q(bill_to__in=payers), Q(customer_key__in=payers)
    for account in accounts:
        if account.currency:
            billed |= Q(bill_to=account.payer, currency=account.currency)
            # Who is billed is settled once it is accepted.
            bought |= Q(customer_key=account.payer, currency=account.currency, groups=None)
    stuck = _blocked([account.payer for account in accounts]).values_list("business_key", flat=True)
    seen = Order.objects.visible_to(user).defer("document").order_by("-id")
    found: dict[Any, Order] = {}
    for chosen in (
        bought,
        Q(id__in=OrderGroup.objects.filter(billed).values("order")),
        Q(number__in=list(stuck[: MOST + 1])),
    ):
        found |= {order.pk: order for order in seen.filter(chosen)[: MOST + 1]}
    return [found[pk] for pk in sorted(found, reverse=True)][: MOST + 1]


def _blocked(payers: Sequence[str]) -> Any:
    return Case.objects.filter(blocker_type="customer", blocker_key__in=payers, state__in=UNRESOLVED)


def records(user: Any, accounts: Sequence[Account]) -> Records:
    """What this person may see of them."""
    found = Records()
    if not accounts:
        return found
    found.orders = _some(found, "orders", orders_of(user, accounts))
    found.invoices = _some(found, "invoices", _invoices(user, accounts))
    found.journals = _some(found, "journals", _journals(user, found.invoices))
    found.cases = _some(found, "cases", _cases(user, accounts, found))
    journeys = [order.correlation_id for order in found.orders]
    found.given_up = given_up.of_accounts(user, found.invoices, journeys)[:MOST]
    return found


def _some(found: Records, noun: str, rows: Sequence[Any]) -> list[Any]:
    if len(rows) > MOST:
        found.more.add(noun)
    return list(rows[:MOST])


def _invoices(user: Any, accounts: Sequence[Account]) -> list[Invoice]:
    billed = OrderGroup.objects.filter(bill_to__in=[account.payer for account in accounts])
    wanted = {(account.payer, account.currency) for account in accounts}
    names = [
        # As billing calls it, or as other systems do.
        name
        for payer, currency in billed.values_list("bill_to", "currency").distinct()
        if (payer, "") in wanted or (payer, currency) in wanted
        for name in {account_key(payer, currency), account_number(payer, currency)}
    ]
    seen = Invoice.objects.visible_to(user).filter(order__in=billed.values("order"), account__in=names)
    return list(seen.select_related("order").defer("order__document").order_by("-issued_on", "-id")[: MOST + 1])


def _journals(user: Any, invoices: Sequence[Invoice]) -> list[JournalEntry]:
    """Those that book these invoices, or take them back; what another took the place of is left out."""
    theirs = named_as(invoices, "business_document", "entity__code", "invoice:")
    seen = JournalEntry.objects.visible_to(user).filter(theirs).exclude(state="superseded")
    return list(seen.select_related("entity", "period").order_by("-id")[: MOST + 1]) if invoices else []


def _cases(user: Any, accounts: Sequence[Account], found: Records) -> list[Case]:
    """What is open of these orders and invoices, and whatever waits for the customer itself."""
    numbers = [order.number for order in found.orders]
    seen = Case.objects.visible_to(user).filter(state__in=UNRESOLVED).select_related("owner_team").defer("haystack")
    rows: dict[Any, Case] = {}
    for chosen in (
        Q(business_key__in=numbers) | named_as(found.invoices),
        Q(blocker_type="customer", blocker_key__in=[account.payer for account in accounts]),
    ):
        rows |= {case.pk: case for case in seen.filter(chosen).order_by("-opened_at", "-id")[: MOST + 1]}
    return sorted(rows.values(), key=lambda case: (case.opened_at, case.pk), reverse=True)
