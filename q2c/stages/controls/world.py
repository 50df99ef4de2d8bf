"""The master data that the controls of one batch of orders look at: a few statements, whatever the size."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from decimal import Decimal

from django.db.models import Q

from ledger.models import LegalEntity
from q2c.contracts.documents import InvoiceGroup, OrderDocument
from q2c.models import CommercialPolicy, Customer, ItemMapping, Product, TaxNexus

# Deeper hierarchies than this are a loop or a mistake.
DEPTH_MAX = 20


@dataclass(kw_only=True, slots=True)
class World:
    """Master data by key, as of the day the controls run."""

    on: dt.date
    customers: dict[str, Customer] = field(default_factory=dict)
    products: dict[str, Product] = field(default_factory=dict)
    entities: dict[str, LegalEntity] = field(default_factory=dict)
    mappings: dict[tuple[str, str], ItemMapping] = field(default_factory=dict)
    nexus: set[tuple[str, str, str]] = field(default_factory=set)
    discount_limits: dict[str, Decimal] = field(default_factory=dict)

    def entity_of(self, group: InvoiceGroup, order: OrderDocument) -> LegalEntity | None:
        """The one active entity that sells in the group's region: named by the group, or found by region.

        Where several serve a region, the contract's own entity wins if it is among them.
        """
        if group.legal_entity:
            named = self.entities.get(group.legal_entity)
            return named if named and named.is_active and (not named.regions or group.region in named.regions) else None
        serving = [e for e in self.entities.values() if e.is_active and group.region in e.regions]
        if len(serving) > 1:
            serving = [e for e in serving if e.code == order.contract_entity] or serving
        return serving[0] if len(serving) == 1 else None

    def discount_limit(self, entity: str) -> Decimal:
        """Percent of the list price that may be given without asking."""
        return self.discount_limits.get(entity, self.discount_limits.get("", Decimal(20)))

    def lineage(self, key: str) -> list[Customer]:
        """The customer, its parent and so on; stops at an unknown key and where a loop closes."""
        found: list[Customer] = []
        seen: set[str] = set()
        while key and key not in seen and key in self.customers:
            seen.add(key)
            found.append(self.customers[key])
            key = self.customers[key].parent_key
        return found

    def payer(self, key: str) -> Customer | None:
        """The nearest account that pays for itself, else the top of the hierarchy."""
        line = self.lineage(key)
        return next((c for c in line if c.pays_for_itself), line[-1] if line else None)


def world(orders: Sequence[OrderDocument], on: dt.date) -> World:
    """Read what these orders name."""
    found = World(on=on)
    found.customers = customers({key for o in orders for key in [o.customer, *(g.bill_to for g in o.groups)]})
    codes = {line.product for o in orders for line in o.lines}
    found.products = {p.code: p for p in Product.objects.filter(code__in=codes)}
    found.entities = {e.code: e for e in LegalEntity.objects.select_related("parent")}
    current = Q(effective_from__lte=on) & (Q(effective_to=None) | Q(effective_to__gt=on))
    found.mappings = {
        (m.product.code, m.connection): m
        for m in ItemMapping.objects.filter(current, product__code__in=codes)
        .select_related("product")
        .order_by("effective_from")
    }
    found.nexus = set(TaxNexus.objects.filter(current).values_list("entity", "country", "region"))
    found.discount_limits = dict(CommercialPolicy.objects.values_list("entity", "discount_limit_percent"))
    return found


def customers(wanted: Iterable[str]) -> dict[str, Customer]:
    """These customers and all above them, one statement per level."""
    found: dict[str, Customer] = {}
    wanted = set(wanted)
    for _ in range(DEPTH_MAX):
        if not wanted:
            break
        rows = list(Customer.objects.filter(key__in=wanted))
        found |= {row.key: row for row in rows}
        wanted = {row.parent_key for row in rows if row.parent_key} - found.keys()
    return found
