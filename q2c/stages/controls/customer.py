"""Who buys, and who pays."""

from __future__ import annotations

from collections.abc import Iterator

from q2c.connectors.outcomes import Blocker
from q2c.contracts.documents import OrderDocument
from q2c.models import Customer
from q2c.reasons import Reason
from q2c.stages.controls.world import World
from q2c.stages.verb import Finding


def _named(order: OrderDocument) -> list[tuple[str, str]]:
    return [("/customer", order.customer), *((f"/groups/{i}/bill_to", g.bill_to) for i, g in enumerate(order.groups))]


def _blocker(key: str, condition: str) -> Blocker:
    return Blocker(connection="", object_type="customer", object_key=key, condition=condition)


def known_and_active(order: OrderDocument, world: World) -> Iterator[Finding]:
    """The customer, each bill-to and every parent are known and active."""
    seen: set[str] = set()
    for pointer, key in _named(order):
        chain = world.lineage(key)
        missing = key if not chain else chain[-1].parent_key if chain[-1].parent_key not in world.customers else ""
        if missing and missing not in seen:
            seen.add(missing)
            yield Finding(
                reason=Reason.CUSTOMER_UNKNOWN,
                pointer=pointer,
                seen=missing,
                text=f"Customer {missing} is not known" + ("" if missing == key else f"; it stands above {key}"),
                remedy="Create the account in the sales platform or in master data, then replay",
                blocker=_blocker(missing, "unknown"),
            )
        for customer in chain:
            if not customer.active and customer.key not in seen:
                seen.add(customer.key)
                yield Finding(
                    reason=Reason.CUSTOMER_INACTIVE,
                    pointer=pointer,
                    seen=customer.key,
                    text=f"{customer.name} ({customer.key}) is not active",
                    remedy="Reactivate the account, or sell to another, then replay",
                    blocker=_blocker(customer.key, "inactive"),
                )


def hierarchy(order: OrderDocument, world: World) -> Iterator[Finding]:
    """No account stands above itself, and every bill-to is paid for inside the customer's own hierarchy."""
    looping: set[str] = set()
    for pointer, key in _named(order):
        chain = world.lineage(key)
        if _loops(chain) and not looping.intersection(c.key for c in chain):
            looping.update(c.key for c in chain)
            yield Finding(
                reason=Reason.CUSTOMER_HIERARCHY_LOOP,
                pointer=pointer,
                seen=" → ".join([*(c.key for c in chain), chain[-1].parent_key]),
                text=f"The parents of {key} lead back to {chain[-1].parent_key}",
                remedy="Correct the parent of one of these accounts, then replay",
                blocker=_blocker(key, "loop"),
            )
    yield from _payers_outside(order, world)


def _loops(chain: list[Customer]) -> bool:
    return bool(chain) and chain[-1].parent_key in {customer.key for customer in chain}


def _payers_outside(order: OrderDocument, world: World) -> Iterator[Finding]:
    own = world.lineage(order.customer)
    # Where the customer has no top, nobody can be told to be outside.
    if not own or _loops(own):
        return
    seen: set[str] = set()
    for i, group in enumerate(order.groups):
        chain, payer = world.lineage(group.bill_to), world.payer(group.bill_to)
        if payer is None or _loops(chain) or chain[-1].key == own[-1].key or payer.key in seen:
            continue
        seen.add(payer.key)
        yield Finding(
            reason=Reason.PAYING_ACCOUNT_AMBIGUOUS,
            pointer=f"/groups/{i}/bill_to",
            seen=group.bill_to,
            text=f"{payer.name} ({payer.key}) would pay, but is outside the customer's hierarchy",
            remedy="Bill an account of the customer's own hierarchy, or correct the parents",
            blocker=_blocker(payer.key, "other_payer"),
        )
