"""Who buys, and who pays."""

from __future__ import annotations

from collections.abc import Iterator

from q2c.connectors.outcomes import Blocker
from q2c.contracts.documents import OrderDocument
from q2c.reasons import Reason
from q2c.stages.controls.world import World
from q2c.stages.verb import Finding


def _named(order: OrderDocument) -> list[tuple[str, str]]:
    return [("/customer", order.customer), *((f"/groups/{i}/bill_to", g.bill_to) for i, g in enumerate(order.groups))]


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
                blocker=Blocker(connection="", object_type="customer", object_key=missing, condition="unknown"),
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
                    blocker=Blocker(
                        connection="", object_type="customer", object_key=customer.key, condition="inactive"
                    ),
                )


def hierarchy(order: OrderDocument, world: World) -> Iterator[Finding]:
    """No account stands above itself, and exactly one account pays for each bill-to."""
    for pointer, key in _named(order):
        chain = world.lineage(key)
        if chain and chain[-1].parent_key in {c.key for c in chain}:
            yield Finding(
                reason=Reason.CUSTOMER_HIERARCHY_LOOP,
                pointer=pointer,
                seen=" → ".join([*(c.key for c in chain), chain[-1].parent_key]),
                text=f"The parents of {key} lead back to {chain[-1].parent_key}",
                remedy="Correct the parent of one of these accounts, then replay",
                blocker=Blocker(connection="", object_type="customer", object_key=key, condition="loop"),
            )
    payers = {payer.key: payer.name for g in order.groups if (payer := world.payer(g.bill_to))}
    own = world.payer(order.customer)
    outside = {k: v for k, v in payers.items() if own and world.lineage(k)[-1].key != world.lineage(own.key)[-1].key}
    if outside:
        yield Finding(
            reason=Reason.PAYING_ACCOUNT_AMBIGUOUS,
            pointer="/groups",
            seen=", ".join(sorted(outside)),
            text=f"{', '.join(sorted(outside.values()))} would pay, but is outside the customer's hierarchy",
            remedy="Bill an account of the customer's own hierarchy, or correct the parents",
            blocker=Blocker(
                connection="", object_type="customer", object_key=sorted(outside)[0], condition="other_payer"
            ),
        )
