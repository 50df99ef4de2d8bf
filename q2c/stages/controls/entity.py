"""Which company of ours sells, and in which currency."""

from __future__ import annotations

from collections.abc import Iterator

from ledger import fx
from ledger.models import LegalEntity
from q2c.connectors.outcomes import Blocker
from q2c.contracts.documents import InvoiceGroup, OrderDocument
from q2c.reasons import Reason
from q2c.stages.controls.world import World
from q2c.stages.verb import Finding


def determined(order: OrderDocument, world: World) -> Iterator[Finding]:
    """Each invoice group has exactly one legal entity, the contract has one, and each line a group."""
    contract = world.entities.get(order.contract_entity)
    if contract is None or not contract.is_active:
        word = "not known" if contract is None else "not active"
        yield _undetermined("/contract_entity", order.contract_entity, f"Entity {order.contract_entity} is {word}")
    for i, group in enumerate(order.groups):
        if world.entity_of(group, order) is None:
            yield _group_undetermined(i, group, world)
    keys = {group.key for group in order.groups}
    for i, line in enumerate(order.lines):
        if line.group not in keys:
            text = f"Line {line.line} belongs to {line.group}, which is no invoice group of the order"
            yield _undetermined(f"/lines/{i}/group", line.group, text)


def _group_undetermined(i: int, group: InvoiceGroup, world: World) -> Finding:
    if group.legal_entity:
        named = world.entities.get(group.legal_entity)
        word = (
            "not known" if named is None
            else f"not the seller in region {group.region}" if named.is_active
            else "not active"
        )  # fmt: skip
        return _undetermined(f"/groups/{i}/legal_entity", group.legal_entity, f"Entity {group.legal_entity} is {word}")
    serving = sorted(entity.code for entity in world.serving(group.region))
    who = f"{len(serving)} entities ({', '.join(serving)})" if serving else "no entity"
    return _undetermined(f"/groups/{i}/region", group.region, f"Region {group.region} is served by {who}")


def _undetermined(pointer: str, seen: str, text: str) -> Finding:
    return Finding(
        reason=Reason.LEGAL_ENTITY_UNDETERMINED,
        pointer=pointer,
        seen=seen,
        text=text,
        remedy="Name the entity on the order, or let one entity serve the region, then replay",
        blocker=Blocker(connection="", object_type="legal_entity", object_key=seen, condition="undetermined"),
    )


def currency_allowed(order: OrderDocument, world: World) -> Iterator[Finding]:
    """Contract and each group are in a currency in which their entity may sell."""
    contract = world.entities.get(order.contract_entity)
    if contract is not None and not _allows(contract, order.currency):
        yield _not_allowed("/currency", order.currency, contract, "make contracts")
    for i, group in enumerate(order.groups):
        entity = world.entity_of(group, order)
        if entity is not None and not _allows(entity, group.currency):
            yield _not_allowed(f"/groups/{i}/currency", group.currency, entity, "invoice")


def _allows(entity: LegalEntity, currency: str) -> bool:
    return not entity.allowed_currencies or currency in entity.allowed_currencies


def _not_allowed(pointer: str, currency: str, entity: LegalEntity, does: str) -> Finding:
    return Finding(
        reason=Reason.CURRENCY_NOT_ALLOWED,
        pointer=pointer,
        seen=currency,
        text=f"{entity.code} does not {does} in {currency}, only in {', '.join(entity.allowed_currencies)}",
        remedy="Change the currency, or allow it for the entity, then replay",
        blocker=Blocker(connection="", object_type="legal_entity", object_key=entity.code, condition="currency"),
    )


def rate_known(order: OrderDocument, world: World) -> Iterator[Finding]:
    """Each currency that is invoiced has a rate to the contract's on the day the deal closed: the total needs it."""
    told: set[str] = set()
    for i, group in enumerate(order.groups):
        source, target, day = group.currency, order.currency, order.closed_on
        rates = world.rates.get((source, target), fx.Rates())
        if source == target or source in told or rates.on(day) is not None:
            continue
        told.add(source)
        yield Finding(
            reason=Reason.FX_RATE_MISSING,
            pointer=f"/groups/{i}/currency",
            seen=source,
            text=fx.missing(source, target, day, latest=rates.latest(day)).text,
            remedy="Load the rate in master data, or correct the currency, then replay",
            blocker=Blocker(
                connection="",
                object_type="fx_rate",
                object_key=f"{source}:{target}",
                # As the ledger names it: one rate frees orders and journals.
                condition=str(Reason.FX_RATE_MISSING),
            ),
        )
