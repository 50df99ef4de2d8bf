"""STAGES: what must happen on each event. The process page and docs/architecture.md are drawn from this table.

A new stage is one file with its verb, one row here and one scenario.
"""

from q2c.stages.accept_order import AcceptOrder
from q2c.stages.activate_subscription import ActivateSubscription
from q2c.stages.cancel_order import CancelOrder
from q2c.stages.look_again import LookAgain
from q2c.stages.post_journal import PostJournal
from q2c.stages.provision_billing import ProvisionBilling
from q2c.stages.record_invoice import RecordInvoice
from q2c.stages.reverse_journal import ReverseJournal
from q2c.stages.sync_customer import SyncCustomer
from q2c.stages.verb import Stage
from q2c.stages.write_back import WriteBack

STAGES: dict[str, Stage] = {
    stage.name: stage
    for stage in (
        Stage(
            name="accept_order",
            does="every control is checked",
            doing="checking every control",
            noun="order",
            station="order",
            on=("OrderReceived",),
            queue="intake",
            talks_to="tax and credit",
            emits=("OrderAccepted", "OrderRejected"),
            control="Account hierarchy, products and their ERP items, legal entity, tax nexus, billing schedule, "
            "revenue treatment, currency and its rate, price arithmetic, term, usage terms, list price, discount, "
            "what billing can express, credit, tax",
            owner="sales ops",
            verb=AcceptOrder(),
        ),
        Stage(
            name="sync_customer",
            does="the customer is set up",
            doing="setting up the customer",
            noun="customer",
            station="subscription",
            on=("OrderAccepted",),
            queue="provisioning",
            talks_to="billing and ledgers",
            emits=("CustomerSynced",),
            control="One customer per platform, parent before child",
            owner="billing ops",
            verb=SyncCustomer(),
        ),
        Stage(
            name="provision_billing",
            does="the subscription is made",
            doing="making the subscription",
            noun="subscription",
            station="subscription",
            on=("CustomerSynced",),
            queue="provisioning",
            talks_to="billing",
            emits=("SubscriptionProvisioned",),
            control="One subscription per invoice group, with the order's entity, prices and phases",
            owner="billing ops",
            verb=ProvisionBilling(),
        ),
        Stage(
            name="activate_subscription",
            does="its phase is activated",
            doing="activating its phase",
            noun="activation",
            station="subscription",
            on=("SubscriptionProvisioned",),
            queue="provisioning",
            talks_to="billing",
            emits=("SubscriptionActivated",),
            control="Phases in order, each on its day",
            owner="billing ops",
            verb=ActivateSubscription(),
        ),
        Stage(
            name="record_invoice",
            does="the invoice is tied to its order and booked",
            doing="tying the invoice to its order and booking it",
            noun="invoice",
            station="invoice",
            on=("InvoiceIssued",),
            queue="finance",
            talks_to="",
            emits=("PaymentDue", "RevenueScheduled", "JournalReady"),
            control="Ties to its order, entity, currency and sums; no second invoice; books by rule",
            owner="billing ops",
            verb=RecordInvoice(),
        ),
        Stage(
            name="post_journal",
            does="the journal is posted",
            doing="posting the journal",
            noun="journal",
            station="journal",
            on=("JournalReady",),
            queue="posting",
            talks_to="general ledger",
            emits=("JournalPosted", "JournalReversed", "JournalWithdrawn"),
            control="Period, accounts and dimensions checked before sending; read back after; no duplicate",
            owner="finance systems",
            verb=PostJournal(),
        ),
        Stage(
            name="look_again",
            does="what was not posted is searched for once more",
            doing="searching once more for what was not posted",
            noun="search",
            station="journal",
            on=("JournalWithdrawn",),
            queue="posting",
            talks_to="general ledger",
            emits=(),
            control="What left the books unposted is not in the ledger later, either",
            owner="finance systems",
            verb=LookAgain(),
        ),
        Stage(
            name="cancel_order",
            does="the subscription is cancelled",
            doing="cancelling the subscription",
            noun="cancellation",
            station="order",
            on=("OrderCancelRequested",),
            queue="provisioning",
            talks_to="billing",
            emits=("OrderCancelled",),
            control="Every subscription of the order is cancelled before the order is",
            owner="sales ops",
            verb=CancelOrder(),
            undoes="provision_billing",
        ),
        Stage(
            name="reverse_journal",
            does="the mirror entry is made",
            doing="making the mirror entry",
            noun="reversal",
            station="journal",
            on=("JournalReversalRequested",),
            queue="finance",
            talks_to="",
            emits=("JournalReady",),
            control="Only a posted journal, once, signed by a second person, by its mirror in an open period",
            owner="finance systems",
            verb=ReverseJournal(),
            undoes="post_journal",
        ),
        Stage(
            name="write_back",
            does="number and status are shown on the deal",
            doing="showing number and status on the deal",
            noun="deal",
            station="order",
            on=("OrderAccepted", "OrderRejected", "SubscriptionActivated", "OrderCancelled"),
            queue="outbound",
            talks_to="sales platform",
            emits=(),
            control="Order number and status only, each status once and in order, on the deal the order came from",
            owner="sales ops",
            verb=WriteBack(),
        ),
    )
}
