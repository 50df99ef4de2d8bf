"""Where tax is due, and on what."""

from __future__ import annotations

from collections.abc import Iterator

from q2c.connectors.outcomes import Blocker
from q2c.contracts.documents import OrderDocument
from q2c.reasons import Reason
from q2c.stages.controls.world import World
from q2c.stages.verb import Finding


def nexus(order: OrderDocument, world: World) -> Iterator[Finding]:
    """The selling entity is registered for tax where it ships to."""
    for i, group in enumerate(order.groups):
        entity = world.entity_of(group, order)
        if entity is None:
            continue
        country, region = group.ship_to.country, group.ship_to.region
        if world.has_nexus(entity.code, country, region, world.day(order)):
            continue
        place = f"{country}-{region}" if region else country
        yield Finding(
            reason=Reason.TAX_NEXUS_MISSING,
            pointer=f"/groups/{i}/ship_to",
            seen=place,
            text=f"{entity.code} has no tax nexus in {place} on {world.day(order)}",
            remedy="Register the nexus with tax and add it to master data, then replay",
            blocker=Blocker(
                connection="", object_type="tax_nexus", object_key=f"{entity.code}:{place}", condition="missing"
            ),
        )


def code(order: OrderDocument, world: World) -> Iterator[Finding]:
    """Every product has a tax code."""
    seen: set[str] = set()
    for i, line in enumerate(order.lines):
        product = world.products.get(line.product)
        if product is not None and not product.tax_code and product.code not in seen:
            seen.add(product.code)
            yield Finding(
                reason=Reason.TAX_CODE_MISSING,
                pointer=f"/lines/{i}/product",
                seen=line.product,
                text=f"Product {line.product} has no tax code",
                remedy="Give the product its tax code, then replay",
                blocker=Blocker(connection="", object_type="product", object_key=line.product, condition="no_tax_code"),
            )
