"""The controls of accept_order, in the order a person would check them. Each is one named function."""

from q2c.stages.controls import billable, customer, entity, limits, price, product, schedule, tax

CONTROLS = (
    customer.known_and_active,
    customer.hierarchy,
    product.known,
    product.revenue_treatment,
    entity.determined,
    entity.currency_allowed,
    entity.rate_known,
    product.mapped_to_item,
    tax.nexus,
    tax.code,
    schedule.term,
    schedule.dates,
    schedule.parts,
    schedule.phases,
    schedule.billing,
    price.quantities,
    price.agreeing,
    price.arithmetic,
    price.usage_terms,
    billable.expressible,
    limits.list_price_known,
    limits.discount,
)

__all__ = ["CONTROLS"]
