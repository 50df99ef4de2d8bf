"""Customers that come with orders: the sales platform maintains them, other senders only bring those nobody knows.

Of an order's parties only those count that it is about: its customer, who is billed, and all above them.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from dataclasses import replace

import msgspec

from q2c import bulk, clock
from q2c.contracts.documents import OrderDocument, Party
from q2c.models import Connection, Customer
from q2c.stages.controls.world import World
from q2c.stages.verb import Fact

# With no user beside it: not a person's word.
_OURS = "With order "

_NEW = """
INSERT INTO q2c_customer (key, name, parent_key, active, pays_for_itself, email, address, source, changed_at)
SELECT u.key, u.name, u.parent, u.active, u.pays, u.email, u.address::jsonb, u.source, u.at
FROM unnest(%s::text[], %s::text[], %s::text[], %s::bool[], %s::bool[], %s::text[], %s::text[], %s::text[],
            %s::timestamptz[]) AS u(key, name, parent, active, pays, email, address, source, at)
ORDER BY u.key
ON CONFLICT (key) DO NOTHING RETURNING key
"""
# Heard of again: what is older than this is not listened to any more.
_HEARD = """
UPDATE q2c_customer c SET changed_at = u.at, source = u.source
FROM unnest(%s::text[], %s::timestamptz[], %s::text[]) AS u(key, at, source) WHERE c.key = u.key
"""
_FIELDS = ("name", "parent_key", "active", "pays_for_itself", "email", "address")


def sales_platforms(facts: Sequence[Fact]) -> set[str]:
    """Which of their sources are connections to a sales platform; no API key is made under a connection's name."""
    sources = {fact.source for fact in facts}
    return set(Connection.objects.filter(service="crm", name__in=sources).values_list("name", flat=True))


def maintain(facts: Sequence[Fact]) -> None:
    """Customers become what the sales platform says of them, each change in their history.

    The later word counts; but an account that a person made inactive, and a parent that a person chose, stay until a
    person changes them.
    """
    said: dict[str, tuple[Party, Fact]] = {}
    for fact in sorted(facts, key=lambda each: each.occurred_at):
        said |= {party.key: (party, fact) for party in _about(fact.payload)}
    if not said:
        return
    made = _create(said.values())
    there = Customer.objects.filter(key__in=said.keys() - made).order_by("key").select_for_update(no_key=True)
    older = [customer for customer in there if customer.changed_at <= said[customer.key][1].occurred_at]
    if older:
        heard = [(c.key, said[c.key][1].occurred_at, said[c.key][1].source[:60]) for c in older]
        bulk.execute(_HEARD, [list(column) for column in zip(*heard, strict=True)])
        _bring(older, said)


def _bring(there: Sequence[Customer], said: dict[str, tuple[Party, Fact]]) -> None:
    differing = [customer for customer in there if _differs(customer, said[customer.key][0])]
    persons = _set_by_persons(customer.key for customer in differing)
    changed = []
    for customer in differing:
        party, fact = said[customer.key]
        customer.changed_at, customer.source = fact.occurred_at, fact.source[:60]
        before = [getattr(customer, name) for name in _FIELDS]
        kept = persons.get(customer.key, ())
        for name, value in _values(party).items():
            if name not in kept and (name != "address" or value is not None):
                setattr(customer, name, value)
        if before != [getattr(customer, name) for name in _FIELDS]:
            customer._change_reason = _reason(fact)  # type: ignore[attr-defined]
            changed.append(customer)
    Customer.objects.bulk_update(changed, [*_FIELDS])
    Customer.history.bulk_history_create(changed, update=True, default_date=clock.now())


def _differs(customer: Customer, party: Party) -> bool:
    return any(
        getattr(customer, name) != value
        for name, value in _values(party).items()
        if name != "address" or value is not None
    )


def _set_by_persons(keys: Iterable[str]) -> dict[str, set[str]]:
    """By key: `active` where a person made it inactive, `parent_key` where a person chose the parent."""
    found: dict[str, set[str]] = {}
    before: dict[str, tuple[bool, str]] = {}
    rows = Customer.history.filter(key__in=list(keys)).order_by("history_date", "history_id")
    for row in rows:
        person = row.history_user_id is not None or not (row.history_change_reason or "").startswith(_OURS)
        active, parent = before.get(row.key, (True, ""))
        kept = found.setdefault(row.key, set())
        for name, changed, counts in (
            ("active", row.active != active, not row.active),
            ("parent_key", row.parent_key != parent, True),
        ):
            if changed and person and counts:
                kept.add(name)
            elif changed:
                kept.discard(name)
        before[row.key] = (row.active, row.parent_key)
    return found


def brought(order: OrderDocument, known: Collection[str]) -> dict[str, Customer]:
    """Customers that the order is about and nobody knows yet, as it brings them; not saved.

    Above a customer that is known stands what is known of it.
    """
    return {
        party.key: Customer(key=party.key, changed_at=clock.now(), **_values(party)) for party in _about(order, known)
    }


def seen_with(order: OrderDocument, data: World) -> World:
    """The master data as it will be once the order is accepted."""
    own = brought(order, data.customers)
    return replace(data, customers=data.customers | own) if own else data


def keep_brought(accepted: Sequence[Fact]) -> None:
    """Who was not known and is used by an order that was accepted becomes a customer; none that is there changes."""
    keys = {party.key for fact in accepted for party in fact.payload.parties}
    if keys:
        known = set(Customer.objects.filter(key__in=keys).values_list("key", flat=True))
        fresh = {party.key: (party, fact) for fact in accepted for party in _about(fact.payload, known)}
        _create(fresh.values())


def _about(order: OrderDocument, known: Collection[str] = ()) -> list[Party]:
    """The customer, the bill-to accounts and all above them, as far as they came with the order and are not known."""
    parties = {party.key: party for party in order.parties if party.key not in known}
    found: dict[str, Party] = {}
    todo = [order.customer, *(group.bill_to for group in order.groups)]
    while todo:
        party = parties.get(todo.pop())
        if party is not None and party.key not in found:
            found[party.key] = party
            todo += [party.parent] if party.parent else []
    return list(found.values())


def _create(said: Iterable[tuple[Party, Fact]]) -> set[str]:
    """Those of them that nobody knows are made. Returns their keys."""
    by_key = {party.key: (party, fact) for party, fact in said}
    rows = [
        (
            party.key, party.name, party.parent or "", party.active, party.pays_for_itself, party.email,
            msgspec.json.encode(party.billing_address).decode() if party.billing_address else None, fact.source[:60],
            fact.occurred_at,
        )
        for party, fact in by_key.values()
    ]  # fmt: skip
    if not rows:
        return set()
    made = {row[0] for row in bulk.execute(_NEW, [list(column) for column in zip(*rows, strict=True)])}
    if made:
        fresh = list(Customer.objects.filter(key__in=made))
        for customer in fresh:
            customer._change_reason = _reason(by_key[customer.key][1])  # type: ignore[attr-defined]
        Customer.history.bulk_history_create(fresh, default_date=clock.now())
    return made


def _values(party: Party) -> dict[str, object]:
    address = msgspec.to_builtins(party.billing_address) if party.billing_address else None
    return {
        "name": party.name, "parent_key": party.parent or "", "active": party.active,
        "pays_for_itself": party.pays_for_itself, "email": party.email, "address": address,
    }  # fmt: skip


def _reason(fact: Fact) -> str:
    return f"{_OURS}{fact.payload.order_number} from {fact.source}"[:100]
