"""Those who sell, and what they sell: what repairs of an order need to know."""

from __future__ import annotations

from dataclasses import dataclass

from q2c.demo.credit_limits import CreditLimits
from q2c.demo.deals import Deal
from q2c.demo.sales_desk import SalesDesk
from q2c.demo.shop import Shop


@dataclass(frozen=True, slots=True)
class Market:
    """`deals` by number."""

    sales: SalesDesk
    shop: Shop
    limits: CreditLimits
    deals: dict[str, Deal]
