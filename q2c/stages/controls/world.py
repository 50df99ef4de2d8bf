"""The master data that the controls of one batch of orders look at: a few statements, whatever the size."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from decimal import Decimal

from ledger import fx
from ledger.models import LegalEntity
from q2c.connectors.ports import Subscriptions
from q2c.contracts.documents import InvoiceGroup, OrderDocument, OrderLine
from q2c.models import CommercialPolicy, Customer, ItemMapping, ListPrice, Product, TaxNexus
from q2c.stages import platforms, totals

# A customer and all above it, however high; UNION ends a loop.
_LINEAGE = """
WITH RECURSIVE up(key) AS (
  SELECT unnest(%s::text[])
  UNION SELECT c.parent_key::text FROM q2c_customer c JOIN up ON c.key = up.key WHERE c.parent_key <> '')
SELECT c.* FROM q2c_customer c JOIN up ON c.key = up.key
"""


@dataclass(kw_only=True, slots=True)
class World:
    """Master data by key. `on` is the day the controls run; what holds for an order holds on `day(order)`."""

    on: dt.date
    customers: dict[str, Customer] = field(default_factory=dict)
    products: dict[str, Product] = field(default_factory=dict)
    entities: dict[str, LegalEntity] = field(default_factory=dict)
    mappings: dict[tuple[str, str], list[ItemMapping]] = field(default_factory=dict)
    list_prices: dict[str, list[ListPrice]] = field(default_factory=dict)
    nexus: dict[str, list[TaxNexus]] = field(default_factory=dict)
    discount_limits: dict[str, Decimal] = field(default_factory=dict)
    # Spot rates by (from, to).
    rates: Mapping[tuple[str, str], fx.Rates] = field(default_factory=dict)
    # Where it is provisioned; None where no platform is set up.
    billing: Subscriptions | None = None

    def entity_of(self, group: InvoiceGroup, order: OrderDocument) -> LegalEntity | None:
        """The one active entity that sells in the group's region: named by the group, or found by region.

        Where several serve a region, the contract's own entity wins if it is among them.
        """
        if group.legal_entity:
            named = self.entities.get(group.legal_entity)
            return named if named and named.is_active and (not named.regions or group.region in named.regions) else None
        serving = self.serving(group.region)
        if len(serving) > 1:
            serving = [e for e in serving if e.code == order.contract_entity] or serving
        return serving[0] if len(serving) == 1 else None

    def serving(self, region: str) -> list[LegalEntity]:
        """The active entities that sell in a region."""
        return [entity for entity in self.entities.values() if entity.is_active and region in entity.regions]

    def day(self, order: OrderDocument) -> dt.date:
        """The first day on which the order can be invoiced: items and registrations must be in force then."""
        return max(self.on, order.starts_on)

    def is_mapped(self, product: str, connection: str, on: dt.date) -> bool:
        """Whether a product is an item of a ledger on a day."""
        return any(in_force(row, on) for row in self.mappings.get((product, connection), ()))

    def list_price(self, line: OrderLine, currency: str, on: dt.date) -> Decimal | None:
        """What the price list asks for one, per price period of the line; None where it has none on the day."""
        period = price_period(line)
        rows = self.list_prices.get(line.product, ())
        fit = (row for row in rows if (row.currency, row.price_period) == (currency, period) and in_force(row, on))
        return next((row.unit_price for row in fit), None)

    def has_nexus(self, entity: str, country: str, region: str, on: dt.date) -> bool:
        """Whether an entity is registered for tax in a country, or in a region of it, on a day."""
        rows = self.nexus.get(entity, ())
        return any(row.country == country and row.region in ("", region) and in_force(row, on) for row in rows)

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
    named = {key for o in orders for key in [o.customer, *(g.bill_to for g in o.groups)]}
    brought = {key for o in orders for party in o.parties for key in (party.key, party.parent) if key}
    found.customers = customers(named | brought)
    codes = {line.product for o in orders for line in o.lines}
    found.products = {p.code: p for p in Product.objects.filter(code__in=codes)}
    found.entities = {e.code: e for e in LegalEntity.objects.select_related("parent")}
    for mapping in ItemMapping.objects.filter(product__code__in=codes).select_related("product"):
        found.mappings.setdefault((mapping.product.code, mapping.connection), []).append(mapping)
    for price in ListPrice.objects.filter(product__code__in=codes).select_related("product"):
        found.list_prices.setdefault(price.product.code, []).append(price)
    for nexus in TaxNexus.objects.filter(country__in={g.ship_to.country for o in orders for g in o.groups}):
        found.nexus.setdefault(nexus.entity, []).append(nexus)
    found.rates = totals.rates([(o, {g.currency for g in o.groups}) for o in orders])
    found.billing = platforms.port("billing")
    found.discount_limits = dict(CommercialPolicy.objects.values_list("entity", "discount_limit_percent"))
    return found


def price_period(line: OrderLine) -> str:
    """As the price list has it: of usage, each unit used is priced."""
    return "once" if line.kind == "usage" else line.price_period


def in_force(row: ItemMapping | ListPrice | TaxNexus, on: dt.date) -> bool:
    """Effective-dated: from its first day until before its end."""
    return row.effective_from <= on and (row.effective_to is None or on < row.effective_to)


def customers(wanted: Iterable[str]) -> dict[str, Customer]:
    """These customers and all above them, in one statement."""
    return {row.key: row for row in Customer.objects.raw(_LINEAGE, [sorted(set(wanted))])}
