"""What is done about each reason: one row each. exceptions/routing.py copies it into the editable Policy.

To add a policy: add the name to q2c/reasons.py and a row here; a test holds the two equal.
A sentence may name in braces what a failure carries: business_key, customer, amount, currency, entity, period, blocker,
connection, source, target, code, field, stage, text. Service levels are business hours of the owner.
"""

from __future__ import annotations

from dataclasses import dataclass

from q2c.reasons import Reason as R

# Owners, as Team.code.
SALES, BILLING, SYSTEMS, CONTROL, PLATFORM = "sales-ops", "billing-ops", "finance-systems", "controllers", "platform"
TEAMS = {
    SALES: "Sales ops",
    BILLING: "Billing ops",
    SYSTEMS: "Finance systems",
    CONTROL: "Controllers",
    PLATFORM: "Platform",
}

# What is put right. With `order` the fix button opens the order; else the blocker says where it leads.
FIX_KINDS = frozenset(
    {
        "event", "order", "customer", "product", "item_mapping", "entity", "tax_nexus", "approval", "invoice",
        "subscription", "posting_rule", "dimension_value", "account", "period", "fx_rate", "journal", "connection",
        "trace", "case",
    }
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Retry:
    """At most `attempts` failures in a row; pauses from `first_s`, doubling with jitter, up to `max_s`."""

    attempts: int = 0
    first_s: int = 0
    max_s: int = 0


NEVER = Retry()
# The right that whoever signs an order needs.
SIGNS_ORDERS = "q2c.approve_order"


@dataclass(frozen=True, slots=True)
class Row:
    """The default policy of one reason. `signed_with`: the right that whoever signs needs besides that of deciding."""

    title: str
    sentence: str
    owner: str
    severity: str
    hours: int
    fix_kind: str
    look: str
    fix: str
    replay: str
    retry: Retry = NEVER
    signed_with: str = ""


_ORDER_AGAIN = "The order is checked from the start on today's master data. Nothing was provisioned before."
_JOURNAL_AGAIN = (
    "The journal is derived on today's master data; one that was booked here before is kept as superseded, with the "
    "difference. Where it goes to the ERP, that is searched for our key first, so no second document can arise."
)
_SEND_AGAIN = "The platform is searched for our key first; only if nothing is there is it sent again."

POLICIES: dict[R, Row] = {
    R.EVENT_MALFORMED: Row(
        "Unreadable message", "A message from {source} could not be read and was kept as it came.",
        PLATFORM, "high", 8, "event",
        "The raw message beside the error: which line or field, and whether others of this source fail too.",
        "Have the sender correct it and send it again; what came from a platform can be read from it once more on the "
        "case. Nobody edits a message here. One that is not needed is closed without a fix.",
        "Sent again, it enters like any other and ends this case; the original stays on the case.",
    ),
    R.EVENT_CONFLICT: Row(
        "Same id, different content", "{source} sent {business_key} again under the same id with different content.",
        PLATFORM, "high", 8, "event",
        "The two versions side by side: what changed, and which of them the sender's system shows today.",
        "If the new one is right, have the sender send it under a new id; if it is noise, close without a fix.",
        "The first version stays in force. A message under a new id runs as its own event.",
    ),
    R.CUSTOMER_UNKNOWN: Row(
        "Customer unknown", "Order {business_key} names a customer that is not known here: {blocker}.",
        SALES, "high", 8, "customer",
        "The account in the sales platform: was it merged, deleted, or created after the deal was closed?",
        "Sync or create the account and each of its parents, then come back; the fix is noticed.",
        _ORDER_AGAIN,
    ),
    R.CUSTOMER_INACTIVE: Row(
        "Customer inactive", "Order {business_key} is for {customer}, and {blocker} is inactive.",
        SALES, "high", 8, "customer",
        "Why the account was deactivated (insolvency, duplicate, offboarded), and whether the deal knew of it.",
        "Reactivate the account if the deal stands; move the deal to the right account if this one is a duplicate.",
        _ORDER_AGAIN,
    ),
    R.CUSTOMER_HIERARCHY_LOOP: Row(
        "Customer hierarchy has a loop", "The parents of {customer} lead back to itself.",
        SALES, "high", 8, "customer",
        "The chain of parents on the customer page; the loop usually came with a merge.",
        "Clear or correct the one parent that closes the loop, in the sales platform.",
        _ORDER_AGAIN,
    ),
    R.PAYING_ACCOUNT_AMBIGUOUS: Row(
        "Paying account outside the hierarchy", "An account outside the hierarchy of {customer} would pay.",
        SALES, "high", 8, "customer",
        "Whom the invoice group bills, and the parents of both accounts. The nearest account on the way up that pays "
        "for itself pays, else the one at the top.",
        "Bill an account of the customer's own hierarchy in the deal, or give the account its true parent.",
        _ORDER_AGAIN,
    ),
    R.PRODUCT_UNKNOWN: Row(
        "Product unknown", "Order {business_key} sells a product that is not known here: {blocker}.",
        SALES, "high", 8, "product",
        "The product code on the order line, and whether the catalogue has it under another code.",
        "Add the product with its revenue treatment and tax code, or correct the code on the order.",
        _ORDER_AGAIN,
    ),
    R.ITEM_MAPPING_MISSING: Row(
        "Item mapping missing", "{business_key} cannot be sold yet: there is no {blocker}.",
        SYSTEMS, "high", 8, "item_mapping",
        "Which product and which connection, and which item the other entities map this product to.",
        "Create the item in the ERP if it is new, then add the mapping. All cases waiting for it are offered together.",
        _ORDER_AGAIN,
    ),
    R.LEGAL_ENTITY_UNDETERMINED: Row(
        "Legal entity not determined", "No legal entity could be found for {business_key}: {text}",
        CONTROL, "high", 8, "entity",
        "The region of the lines and the selling entity on the deal; one of them is missing or they disagree.",
        "Correct region or selling entity on the deal, or add the region to the entity that serves it.",
        _ORDER_AGAIN,
    ),
    R.TAX_NEXUS_MISSING: Row(
        "Tax nexus missing", "{business_key} is delivered where its seller is not registered: there is no {blocker}.",
        CONTROL, "high", 16, "tax_nexus",
        "The ship-to address, and whether the entity is registered there or below the threshold.",
        "If registered, add the nexus from its date on. If not, ask tax before anything is invoiced.",
        _ORDER_AGAIN,
    ),
    R.TAX_CODE_MISSING: Row(
        "Tax code missing", "A product of {business_key} has no tax code: {blocker}.",
        CONTROL, "normal", 16, "product",
        "The product, and the tax code that similar products carry.",
        "Set the tax code on the product.",
        _ORDER_AGAIN,
    ),
    R.BILLING_SCHEDULE_INVALID: Row(
        "Billing schedule invalid", "The billing schedule of {business_key} does not work out: {text}",
        SALES, "normal", 8, "order",
        "Frequency, alignment and phases against the term: the field named on the case has a gap or an overlap.",
        "Correct the schedule on the deal so that its phases fill the term once.",
        _ORDER_AGAIN,
    ),
    R.REVENUE_TREATMENT_MISMATCH: Row(
        "Revenue treatment does not agree", "A line of {business_key} disagrees with its product's revenue treatment.",
        CONTROL, "high", 16, "product",
        "The treatment on the line and on the product; new bundles are the usual cause.",
        "Decide which is right. Correct the order, or the product from a date on.",
        _ORDER_AGAIN,
    ),
    R.CURRENCY_NOT_ALLOWED: Row(
        "Currency not allowed", "{business_key} is invoiced in a currency that its entity does not sell in: {text}",
        SALES, "normal", 8, "order",
        "The price book used, and the currencies that the entity sells in.",
        "Requote in an allowed currency, or have a controller allow this one for the entity.",
        _ORDER_AGAIN,
    ),
    R.PRICE_MISMATCH: Row(
        "Price does not add up", "The amounts of {business_key} do not add up: {text}",
        SALES, "high", 8, "order",
        "Quantity × price × term − discount beside the amount, to the last minor unit; often rounding in the quote.",
        "Correct the line on the deal and send it again.",
        _ORDER_AGAIN,
    ),
    R.TERM_INVALID: Row(
        "Term or dates invalid", "The term of {business_key} does not hold: {text}",
        SALES, "normal", 8, "order",
        "Start, end and activation dates on the deal.",
        "Correct the dates on the deal.",
        _ORDER_AGAIN,
    ),
    R.USAGE_TERMS_INCOMPLETE: Row(
        "Usage terms incomplete", "A usage line of {business_key} lacks meter, included quantity or tiers.",
        SALES, "normal", 8, "order",
        "The usage line and the contract's price sheet.",
        "Complete the line: meter, included quantity, and tiers without gaps that start at one.",
        _ORDER_AGAIN,
    ),
    R.BILLING_INEXPRESSIBLE: Row(
        "Billing cannot express it", "A line of {business_key} has a form that billing does not have: {text}",
        SALES, "normal", 8, "order",
        "The line that the case names: mostly volume tiers with an allowance, or a tier with both price and fee.",
        "Agree on a form that billing has with whoever sold it, and correct the line on the deal.",
        _ORDER_AGAIN,
    ),
    R.CREDIT_REFUSED: Row(
        "Credit refused", "{business_key} would put {customer} over its credit limit.",
        CONTROL, "urgent", 4, "customer",
        "Exposure and limit as the credit service gave them, and what is overdue.",
        "Collect, agree on prepayment, or have the limit raised at the credit service.",
        "Credit is asked again. The order goes on only if the answer is yes.",
    ),
    R.CREDIT_APPROVAL_REQUIRED: Row(
        "Credit needs approval", "{business_key} puts {customer} between the soft and the hard credit limit.",
        CONTROL, "high", 4, "approval",
        "Exposure, limits and payment history.",
        "A second person approves or refuses, with a reason. Refused, it goes to sales ops, who have the deal changed.",
        "Once approved, the order goes on with the approval on record; once refused, a replay asks again.",
        signed_with=SIGNS_ORDERS,
    ),
    R.LIST_PRICE_MISSING: Row(
        "List price missing", "{business_key} sells at a price that the price list does not have: {text}",
        CONTROL, "high", 4, "approval",
        "Currency and price period of the line beside the prices that the product has; mostly a price book is new.",
        "Have the list price added in master data, and what waits for it is offered; or a second person approves or "
        "refuses the price as it is, with a reason. Refused, it goes to sales ops, who have the deal changed.",
        "Checked again: where there is a list price by then, a discount over the limit is asked for by itself.",
        signed_with=SIGNS_ORDERS,
    ),
    R.DISCOUNT_APPROVAL_REQUIRED: Row(
        "Discount needs approval", "The discount on {business_key} for {customer} is over the limit.",
        CONTROL, "high", 4, "approval",
        "List price, discount and limit on each line, and what was promised.",
        "A second person approves or refuses, with a reason. Refused, it goes to sales ops, who have the deal changed.",
        "Once approved, the order goes on with the approval on record; once refused, a replay asks again.",
        signed_with=SIGNS_ORDERS,
    ),
    R.TAX_REFUSED: Row(
        "Tax estimate refused", "The tax service refused {business_key}: {text}",
        CONTROL, "normal", 8, "order",
        "The field the service names: mostly an address it cannot place, or a tax code it does not know.",
        "Correct the address on the account, or the tax code on the product.",
        "Tax is estimated again. Nothing was booked at the tax service before.",
    ),
    R.ORDER_CHANGED: Row(
        "Order changed while under way", "{business_key} was changed after it had been accepted.",
        SALES, "high", 8, "order",
        "The accepted version beside the new one, and what has been provisioned since.",
        "Take the change back, or cancel and send an amended order.",
        "Checked again: it passes once the change is taken back. Closed without a fix, what was accepted stands.",
    ),
    R.ORDER_NUMBER_TAKEN: Row(
        "Order number of another system",
        "{business_key} came from {source}, and another system has an order of that number.",
        SALES, "high", 8, "order",
        "Both orders: which system sent which, and whether they are one sale.",
        "Have the sender give it a number of its own; one sale that two systems send is sent by one of them only.",
        "Checked again: it passes only where the other order was accepted with the same content. "
        "Closed without a fix, the other order stands.",
    ),
    R.CUSTOMER_REFUSED: Row(
        "Customer refused by the platform", "{target} refused customer {customer}: {text}",
        BILLING, "high", 8, "customer",
        "The field and code that the platform gave.",
        "Correct the customer at its source, or the setting in the platform that refuses it.",
        "The platform is searched for the customer first, then it is sent as it stands today.",
    ),
    R.SUBSCRIPTION_REFUSED: Row(
        "Subscription refused by billing", "{target} refused the subscription of {business_key}: {text}",
        BILLING, "high", 8, "connection",
        "The field and code that billing gave; often a rate plan, a price or a date that does not exist there.",
        "Correct the catalogue in billing, or the order. Where it is a cancellation, put right what billing names, or "
        "ask for another day, which takes the place of this request unless that has cancelled a part of the order.",
        _SEND_AGAIN,
    ),
    R.SUBSCRIPTION_ENDED: Row(
        "Ended in billing otherwise", "{target} ends a subscription of {business_key} otherwise than here: {text}",
        BILLING, "high", 8, "order",
        "The subscription in billing: who cancelled it there, as of which day, and what the customer was told.",
        "If billing is right, ask on the order's page to cancel the order as of billing's day, which takes the place "
        "of an earlier request; if that has cancelled a part of the order, have this case closed first. If billing is "
        "wrong, have its cancellation taken back there and replay. An order is cancelled whole: to keep a part, "
        "cancel it and send an amended order.",
        "The subscription is read again. What ends there by the day asked for counts as cancelled; nothing is sent.",
    ),
    R.SUBSCRIPTION_CUT_SHORT: Row(
        "Ends in billing before its order", "{source} ends a subscription of {business_key} before its order ends.",
        BILLING, "high", 8, "order",
        "The subscription in billing: who cancelled it there, as of which day, and what the customer was told. The "
        "amount is what was sold for the days from then on, which billing will not bill.",
        "If billing is right, cancel the order on its page as of billing's day: nothing is cancelled twice. If billing "
        "is wrong, have its cancellation taken back there. An order is cancelled whole: to keep a part, cancel it and "
        "send an amended order.",
        "Nothing is to be replayed. The case ends by itself once the order is cancelled, or billing goes on; closed "
        "without a fix, it comes again only when billing's day changes.",
    ),
    R.INVOICE_ORDER_UNKNOWN: Row(
        "Invoice without an order", "Invoice {business_key} belongs to no order known here.",
        BILLING, "high", 8, "invoice",
        "The subscription on the invoice: was it made in billing by hand, or has its order not arrived yet?",
        "Send the order, or link the subscription to it. If billing was used by hand on purpose, close the case.",
        "The invoice is tied again, to its order as it stands here now.",
    ),
    R.INVOICE_MISMATCH: Row(
        "Invoice disagrees with its order", "Invoice {business_key} does not tie to its order: {text}",
        BILLING, "high", 8, "invoice",
        "Entity, currency, tax and line amounts of invoice and order, side by side.",
        "Credit and reissue in billing if the invoice is wrong; amend the order if the order is.",
        "The invoice is checked again as it came, against its order as it stands now. What billing corrects arrives by "
        "itself as a newer version, and ends this case.",
    ),
    R.INVOICE_DUPLICATE: Row(
        "Second invoice for the same charge", "Invoice {business_key} bills what another invoice has billed.",
        BILLING, "urgent", 4, "invoice",
        "Both invoices: their reference at billing, charge and service period.",
        "Void or credit one of them in billing.",
        "Checked again; it is recorded only if no other invoice stands for the same charge.",
    ),
    R.INVOICE_CHANGED: Row(
        "Invoice is booked otherwise than billing has it",
        "Invoice {business_key} is booked here, and billing says something else of it.",
        BILLING, "urgent", 4, "invoice",
        "What is here and what came now, side by side on the case.",
        "Is billing wrong, have it made there as it is booked here. Is it right, reverse its journal if that is "
        "posted: Reverse on the journal's page asks a second person to approve the mirror entry. Then have billing "
        "void the invoice and issue it anew under another number, and close this case.",
        "Compared again with what is booked. Made so in billing, it ends by itself.",
    ),
    R.INVOICE_TAKEN_BACK: Row(
        "Invoice taken back in billing after it was booked",
        "Invoice {business_key} is booked here, and billing has cancelled or reversed it since.",
        CONTROL, "high", 8, "journal",
        "Why billing took it back, and the journal that books it: the page of the invoice shows both.",
        "Is its journal posted, reverse it: Reverse on the journal's page asks a second person to approve the mirror "
        "entry, which takes the invoice out of the books. Is it not, it has a case of its own, by which the ledger is "
        "asked for it. Was it taken back by mistake, have it posted again in billing.",
        "There is nothing to replay: it ends by itself once the mirror entry is posted, the journal leaves the books "
        "unposted, or billing posts it again.",
    ),
    R.INVOICE_APPROVAL_REQUIRED: Row(
        "Invoice needs approval", "Invoice {business_key} of {customer} bills what its order does not explain.",
        CONTROL, "high", 4, "approval",
        "What the order sold and at which prices, what was billed for the same days, and where the usage was metered.",
        "A second person approves or refuses, with a reason. Refused, it goes to billing ops, who void or credit it.",
        "Once approved, it is recorded and booked with the approval on record; once refused, a replay asks again.",
        signed_with="exceptions.approve_case",
    ),
    R.INVOICE_GIVEN_UP: Row(
        "Invoice was given up, and comes again",
        "Invoice {business_key} of {customer} was given up here, and is told of again.",
        CONTROL, "high", 4, "approval",
        "Why it was given up, on the case that was closed; what billing has changed in it since, or who wants it.",
        "A second person approves it, and it is booked after all, or refuses it, with a reason, and it stays given up. "
        "What is to stay so is voided in billing.",
        "Once approved, it is recorded and booked with the approval on record; once refused, the case ends.",
        signed_with="exceptions.replay_case",
    ),
    R.INVOICE_CANCELLED: Row(
        "Invoice was cancelled in billing, and another system tells of it",
        "Billing has cancelled invoice {business_key} of {customer}, and another system tells of it.",
        CONTROL, "high", 4, "approval",
        "In billing why it was cancelled, and whether it was billed anew; at the other system why it still has it.",
        "A second person refuses it, with a reason, and nothing is booked; or approves it if it is owed all the same. "
        "Was it cancelled by mistake, have billing post it again.",
        "Once approved, it is recorded and booked with the approval on record, and differs from billing until billing "
        "posts it or its journal is reversed; once refused, the case ends.",
        signed_with="exceptions.approve_case",
    ),
    R.CANCELLATION_APPROVAL_REQUIRED: Row(
        "Cancellation needs approval", "Cancelling {business_key} of {customer} takes back what is invoiced.",
        CONTROL, "high", 4, "approval",
        "The day as of which it ends, what was invoiced for days after it, and why it is to be cancelled.",
        "A second person approves or refuses, with a reason; not the one who asked.",
        "Once approved, it is cancelled in billing, which credits what it had billed ahead; once refused, the request "
        "ends and the order goes on.",
        signed_with="exceptions.approve_case",
    ),
    R.POSTING_RULE_MISSING: Row(
        "Posting rule missing", "No posting rule fits {business_key} in {entity}: {blocker}.",
        CONTROL, "high", 8, "posting_rule",
        "Entity, event, product, treatment, tax and currency; explain shows the rules that came near.",
        "Add a rule, effective from the date of the document or before.",
        _JOURNAL_AGAIN,
    ),
    R.DIMENSION_MISSING: Row(
        "Dimension missing", "{business_key} has no value for a dimension that {entity} requires: {blocker}.",
        SYSTEMS, "normal", 8, "dimension_value",
        "Which account requires which dimension, and where its value should have come from.",
        "Set it in the item mapping of the product, which gives its lines their dimensions; or relax the dimension "
        "rule if it is wrong.",
        _JOURNAL_AGAIN,
    ),
    R.DIMENSION_INACTIVE: Row(
        "Dimension value inactive", "{business_key} cannot be posted in {entity}: {blocker} is inactive.",
        SYSTEMS, "high", 8, "dimension_value",
        "When and why it was deactivated in the ERP, and which value took its place.",
        "Reactivate it in the ERP, or map to its successor here. All cases waiting for it are offered together.",
        _JOURNAL_AGAIN,
    ),
    R.ACCOUNT_INACTIVE: Row(
        "Account inactive", "{business_key} cannot be posted in {entity}: {blocker} is inactive.",
        CONTROL, "high", 8, "account",
        "When and why the account was closed, and which account took its place.",
        "Reactivate it in the ERP, or change the posting rule from a date on.",
        _JOURNAL_AGAIN,
    ),
    R.ACCOUNT_UNKNOWN: Row(
        "Account unknown", "{business_key} cannot be posted in {entity}: {blocker} does not exist there.",
        SYSTEMS, "high", 8, "account",
        "The number in the posting rule and in the chart of accounts of that ERP.",
        "Create the account in the ERP, or correct its number here.",
        _JOURNAL_AGAIN,
    ),
    R.PERIOD_CLOSED: Row(
        "Period closed", "{business_key} belongs to {period}, which is closed in {entity}.",
        CONTROL, "urgent", 4, "period",
        "How much waits for this period, and how long the close still takes late entries.",
        "Reopen the period if the close allows it, or ask for re-dating to the first open period; both need approval. "
        "A reversal is not re-dated: close it without a fix, and ask for it anew on another day.",
        _JOURNAL_AGAIN,
    ),
    R.PERIOD_MISSING: Row(
        "Period not set up", "{entity} has no period for the date of {business_key}: {blocker}.",
        CONTROL, "high", 8, "period",
        "The fiscal calendar of the entity, and the date on the document: a wrong year is common.",
        "Generate the periods of that year, or correct the date at its source.",
        _JOURNAL_AGAIN,
    ),
    R.FX_RATE_MISSING: Row(
        "Exchange rate missing", "{business_key} needs an exchange rate that is not there: {blocker}.",
        CONTROL, "high", 4, "fx_rate",
        "Currency pair, rate type and date, and whether that day's import ran.",
        "Import or enter the rate of that day.",
        f"An order is checked from the start. {_JOURNAL_AGAIN}",
    ),
    R.JOURNAL_UNBALANCED: Row(
        "Journal does not balance", "The journal of {business_key} does not balance: {text}",
        CONTROL, "urgent", 4, "posting_rule",
        "Debits and credits by currency, and the rule and version behind each line.",
        "Correct the rule that leaves the difference; explain shows which one.",
        _JOURNAL_AGAIN,
    ),
    R.JOURNAL_REFUSED: Row(
        "Journal refused by the ERP", "{target} refused the journal of {business_key}: {text}",
        SYSTEMS, "high", 8, "journal",
        "The field and code that the ERP gave, and the request as it was sent.",
        "Correct what it names, in the ERP or in master data here.",
        _JOURNAL_AGAIN,
    ),
    R.JOURNAL_NOT_OWED: Row(
        "The ledger holds what is not owed", "{target} holds a journal of {business_key} that is not owed: {text}",
        SYSTEMS, "urgent", 4, "journal",
        "The document there, and how the journal ended here: billing took its invoice back, or it was given up.",
        "Take the document out of the ledger; of a reversal that was given up, ask on its case that it be posted after "
        "all. One that is reversed there stays found: close this without a fix then, and say by which document.",
        "The ledger is searched once more; this ends once it holds nothing of it. Nothing is sent.",
    ),
    R.REVERSAL_REFUSED: Row(
        "Journal cannot be reversed so", "The journal of {business_key} cannot be reversed as asked for: {text}.",
        CONTROL, "normal", 8, "journal",
        "The journal, its own day, and what has become of it since the reversal was asked for.",
        "Close this without a fix and ask again on the page of the journal, where its reversal is still wanted, on a "
        "day that takes corrections.",
        "The request is read again as it was made: that helps only where the journal has changed.",
    ),
    R.BILLED_SINCE_REVERSED: Row(
        "Request to restore a journal stopped", "The journal of {business_key} cannot be restored: {text}.",
        CONTROL, "normal", 8, "journal",
        "The invoice that was reversed, and the one that fills its place since: order, charge and service period.",
        "This asks to restore a journal that was reversed, and another invoice fills its place. Is the reversed one to "
        "count, take the other one out first: reverse its journal, or have billing void it; once it is out, this is "
        "offered for replay. Is the other one to count, close this without a fix.",
        "The request is looked at again as it was made; once nothing fills its place, a second person is asked.",
    ),
    R.REVERSAL_APPROVAL_REQUIRED: Row(
        "Reversal needs approval", "The reversal of the journal of {business_key} waits for a second person.",
        CONTROL, "normal", 8, "approval",
        "The journal, its mirror as it would be booked, and why it is to be reversed.",
        "A second person who may reverse journals approves or refuses, with a reason; not the one who asked.",
        "Once approved, the mirror entry is made and posted; once refused, the request ends and nothing is booked.",
        signed_with="ledger.reverse_journalentry",
    ),
    R.CONTENT_DIFFERS: Row(
        "The platform holds something else", "{target} holds {business_key} with different content: {text}",
        SYSTEMS, "urgent", 4, "journal",
        "Ours and theirs side by side: date, amounts, dimensions. Some ERPs move a date without saying so.",
        "Correct the document in the platform, or reverse it there; never send a second one by hand.",
        "The document is read back and compared again; nothing is sent while one is there.",
    ),
    R.PLATFORM_UNAVAILABLE: Row(
        "Platform does not answer", "{target} did not answer for {business_key}, and the retries are used up.",
        PLATFORM, "high", 4, "connection",
        "The health of the connection, and the platform's own status page.",
        "Mostly nothing: wait until it answers. If the address or network changed, correct the connection.",
        _SEND_AGAIN,
        Retry(12, 5, 900),
    ),
    R.PLATFORM_BUSY: Row(
        "Platform limits our calls", "{target} keeps turning us away, and the retries for {business_key} are used up.",
        PLATFORM, "normal", 8, "connection",
        "Calls a minute beside the limit, and what else uses the same account.",
        "Lower the concurrency of the connection, or have the limit raised.",
        _SEND_AGAIN,
        Retry(20, 2, 600),
    ),
    R.SOURCE_NOT_READ: Row(
        "Source cannot be read", "What changed in {source} cannot be read: {text}",
        PLATFORM, "high", 4, "connection",
        "What it says to each try, on the control tower, and what else uses up the calls of the same account.",
        "Make room in its limit of calls, or have it raised, then choose Poll now on the connection. If it is away or "
        "overloaded, see its status page.",
        "Nothing is to be replayed: it is asked when it said, else after growing pauses of up to a quarter of an hour, "
        "and goes on where it stopped. The first read that comes to its end ends the case.",
        Retry(90, 20, 20),
    ),
    R.CREDENTIALS_REFUSED: Row(
        "Credentials refused", "{target} does not accept our credentials: {text}",
        PLATFORM, "urgent", 2, "connection",
        "Whether a token or certificate expired, a password was changed, or a role was taken away.",
        "Renew the credentials of the connection. As they are saved they are tried, and what waits for it is offered. "
        "Where only the platform was changed, choose Try the connection in the list of connections. Where it lets us "
        "in and a permission is missing, give that to the connection's user there, then replay one case: nothing is "
        "offered, since only sending tells.",
        _SEND_AGAIN,
    ),
    R.OUTCOME_UNKNOWN: Row(
        "Outcome unknown", "It is not known whether {target} took {business_key}; repeated searches did not tell.",
        SYSTEMS, "urgent", 4, "connection",
        "The searches on the case, and the platform itself under our key.",
        "If it is there, note its number and close; if the platform can say it is not, replay.",
        "The platform is searched again over its whole settle time before anything is sent.",
        Retry(10, 5, 300),
    ),
    R.JOB_OVERDUE: Row(
        "Job does not end", "{target} took {business_key} to work on it, and does not end it: {text}",
        SYSTEMS, "high", 4, "connection",
        "The job in the platform, under the handle that the text names, and what it waits for there.",
        "Have it ended or cancelled there, or wait. If all take longer, raise the job limit of the connection.",
        "The job is asked about first, for another time of its limit. Only where the platform knows of none any more "
        "is our key searched for, and only if nothing is there is it sent again.",
    ),
    R.RECORD_MISSING: Row(
        "Record missing in the platform", "{target} has no {blocker}, which {business_key} refers to.",
        SYSTEMS, "high", 8, "connection",
        "Whether it was deleted or merged there, or never arrived.",
        "Restore it, or correct the reference here.",
        _SEND_AGAIN,
    ),
    R.REQUEST_REFUSED: Row(
        "Request refused", "{target} refused the request for {business_key}: {text}",
        SYSTEMS, "high", 8, "connection",
        "The request and the answer: the field and code that the platform gave.",
        "Correct what it names. If the platform changed its interface, tell the platform team.",
        _SEND_AGAIN,
    ),
    R.SUPERSEDED: Row(
        "Superseded by a newer version", "{business_key} was overtaken by a newer version of itself.",
        BILLING, "low", 40, "trace",
        "The newer version on the trace, and whether it is done.",
        "Nothing, as long as the newer version went through.",
        "Refused while the newer version stands.",
    ),
    R.INTERNAL_ERROR: Row(
        "Fault in q2c", "{business_key} met a fault of q2c itself at {stage}.",
        PLATFORM, "urgent", 4, "case",
        "The error and correlation id on the case; the log has the rest.",
        "Report it with the correlation id. Data that triggered it can often be corrected meanwhile.",
        "The step runs again from its last safe point.",
    ),
}  # fmt: skip
