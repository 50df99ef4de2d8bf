"""The flow's nouns, one file each."""

from q2c.models.api_key import ApiKey, IdempotencyRecord
from q2c.models.attempt import Attempt
from q2c.models.callout import Callout
from q2c.models.cancelled_invoice import CancelledInvoice
from q2c.models.connection import Breaker, Connection, PollCursor, SubscriptionCursor, WorkerSeen
from q2c.models.cross_reference import CrossReference
from q2c.models.customer import Customer
from q2c.models.event import Event
from q2c.models.fetched import Fetched
from q2c.models.invoice import Invoice, InvoiceLine
from q2c.models.latest_read import LatestRead
from q2c.models.nexus import TaxNexus
from q2c.models.order import Order, OrderGroup, OrderLine
from q2c.models.policy import CommercialPolicy
from q2c.models.product import ItemMapping, ListPrice, Product
from q2c.models.step import Step
from q2c.models.subscription import ChargeSegment, Subscription
from q2c.models.tally import Tally
from q2c.models.transition import Transition

__all__ = [
    "ApiKey",
    "Attempt",
    "Breaker",
    "Callout",
    "CancelledInvoice",
    "ChargeSegment",
    "CommercialPolicy",
    "Connection",
    "CrossReference",
    "Customer",
    "Event",
    "Fetched",
    "IdempotencyRecord",
    "Invoice",
    "InvoiceLine",
    "ItemMapping",
    "LatestRead",
    "ListPrice",
    "Order",
    "OrderGroup",
    "OrderLine",
    "PollCursor",
    "Product",
    "Step",
    "Subscription",
    "SubscriptionCursor",
    "Tally",
    "TaxNexus",
    "Transition",
    "WorkerSeen",
]
