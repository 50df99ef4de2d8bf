"""What is sold, what it is in the ledger, and how its revenue is earned."""

from __future__ import annotations

from collections.abc import Iterator

from q2c.connectors.outcomes import Blocker
from q2c.contracts.documents import OrderDocument
from q2c.reasons import Reason
from q2c.stages.controls.world import World
from q2c.stages.verb import Finding


def known(order: OrderDocument, world: World) -> Iterator[Finding]:
    """Every product exists and is active."""
    for i, line in enumerate(order.lines):
        product = world.products.get(line.product)
        if product is None or not product.active:
            yield Finding(
                reason=Reason.PRODUCT_UNKNOWN,
                pointer=f"/lines/{i}/product",
                seen=line.product,
                text=f"Product {line.product} is {'not known' if product is None else 'no longer sold'}",
                remedy="Add or reactivate the product in master data, then replay",
                blocker=Blocker(
                    connection="", object_type="product", object_key=line.product, condition="unknown_or_inactive"
                ),
            )


def revenue_treatment(order: OrderDocument, world: World) -> Iterator[Finding]:
    """Each line earns its revenue as its product does, and is of the product's kind."""
    for i, line in enumerate(order.lines):
        product = world.products.get(line.product)
        if product is None:
            continue
        for name, ours, theirs in (
            ("revenue_treatment", product.revenue_treatment, line.revenue_treatment),
            ("kind", product.kind, line.kind),
        ):
            if ours != theirs:
                yield Finding(
                    reason=Reason.REVENUE_TREATMENT_MISMATCH,
                    pointer=f"/lines/{i}/{name}",
                    seen=theirs,
                    text=f"Line {line.line} says {theirs} for {line.product}, its product says {ours}",
                    remedy="Correct the line in the sales platform, or the product if it is wrong, then replay",
                    blocker=Blocker(
                        connection="", object_type="product", object_key=line.product, condition="treatment"
                    ),
                )


def mapped_to_item(order: OrderDocument, world: World) -> Iterator[Finding]:
    """Each product is an item in the ledger of the entity that sells it."""
    groups = {g.key: g for g in order.groups}
    seen: set[tuple[str, str]] = set()
    for i, line in enumerate(order.lines):
        group = groups.get(line.group)
        entity = world.entity_of(group, order) if group else None
        if entity is None or line.product not in world.products:
            continue
        pair = (line.product, entity.erp_connection)
        if pair in seen or world.is_mapped(*pair, world.day(order)):
            continue
        seen.add(pair)
        where = entity.erp_connection or "no ledger"
        yield Finding(
            reason=Reason.ITEM_MAPPING_MISSING,
            pointer=f"/lines/{i}/product",
            seen=line.product,
            text=f"Product {line.product} has no item in {where}, the ledger of {entity.code}, on {world.day(order)}",
            remedy="Add the item mapping in master data, then replay",
            blocker=Blocker(
                connection=entity.erp_connection,
                object_type="item_mapping",
                object_key=line.product,
                condition="missing",
            ),
        )
