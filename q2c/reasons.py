"""Every rejection has one name. What is done about it is its policy (exceptions/policies.py)."""

from __future__ import annotations

import enum


class Reason(enum.StrEnum):
    """Why a step cannot go on by itself. Each has exactly one default policy row; a test holds the two equal."""

    # Intake
    EVENT_MALFORMED = "event_malformed"
    EVENT_CONFLICT = "event_conflict"
    # Order controls
    CUSTOMER_UNKNOWN = "customer_unknown"
    CUSTOMER_INACTIVE = "customer_inactive"
    CUSTOMER_HIERARCHY_LOOP = "customer_hierarchy_loop"
    PAYING_ACCOUNT_AMBIGUOUS = "paying_account_ambiguous"
    PRODUCT_UNKNOWN = "product_unknown"
    ITEM_MAPPING_MISSING = "item_mapping_missing"
    LEGAL_ENTITY_UNDETERMINED = "legal_entity_undetermined"
    TAX_NEXUS_MISSING = "tax_nexus_missing"
    TAX_CODE_MISSING = "tax_code_missing"
    BILLING_SCHEDULE_INVALID = "billing_schedule_invalid"
    REVENUE_TREATMENT_MISMATCH = "revenue_treatment_mismatch"
    CURRENCY_NOT_ALLOWED = "currency_not_allowed"
    PRICE_MISMATCH = "price_mismatch"
    TERM_INVALID = "term_invalid"
    USAGE_TERMS_INCOMPLETE = "usage_terms_incomplete"
    BILLING_INEXPRESSIBLE = "billing_inexpressible"
    CREDIT_REFUSED = "credit_refused"
    CREDIT_APPROVAL_REQUIRED = "credit_approval_required"
    LIST_PRICE_MISSING = "list_price_missing"
    DISCOUNT_APPROVAL_REQUIRED = "discount_approval_required"
    TAX_REFUSED = "tax_refused"
    ORDER_CHANGED = "order_changed"
    ORDER_NUMBER_TAKEN = "order_number_taken"
    # Billing
    CUSTOMER_REFUSED = "customer_refused"
    SUBSCRIPTION_REFUSED = "subscription_refused"
    SUBSCRIPTION_ENDED = "subscription_ended"
    SUBSCRIPTION_CUT_SHORT = "subscription_cut_short"
    INVOICE_ORDER_UNKNOWN = "invoice_order_unknown"
    INVOICE_MISMATCH = "invoice_mismatch"
    INVOICE_DUPLICATE = "invoice_duplicate"
    INVOICE_CHANGED = "invoice_changed"
    INVOICE_TAKEN_BACK = "invoice_taken_back"
    INVOICE_APPROVAL_REQUIRED = "invoice_approval_required"
    INVOICE_GIVEN_UP = "invoice_given_up"
    INVOICE_CANCELLED = "invoice_cancelled"
    CANCELLATION_APPROVAL_REQUIRED = "cancellation_approval_required"
    # Ledger
    POSTING_RULE_MISSING = "posting_rule_missing"
    DIMENSION_MISSING = "dimension_missing"
    DIMENSION_INACTIVE = "dimension_inactive"
    ACCOUNT_INACTIVE = "account_inactive"
    ACCOUNT_UNKNOWN = "account_unknown"
    PERIOD_CLOSED = "period_closed"
    PERIOD_MISSING = "period_missing"
    FX_RATE_MISSING = "fx_rate_missing"
    JOURNAL_UNBALANCED = "journal_unbalanced"
    JOURNAL_REFUSED = "journal_refused"
    JOURNAL_NOT_OWED = "journal_not_owed"
    REVERSAL_REFUSED = "reversal_refused"
    BILLED_SINCE_REVERSED = "billed_since_reversed"
    REVERSAL_APPROVAL_REQUIRED = "reversal_approval_required"
    CONTENT_DIFFERS = "content_differs"
    # Platforms
    PLATFORM_UNAVAILABLE = "platform_unavailable"
    PLATFORM_BUSY = "platform_busy"
    SOURCE_NOT_READ = "source_not_read"
    CREDENTIALS_REFUSED = "credentials_refused"
    OUTCOME_UNKNOWN = "outcome_unknown"
    JOB_OVERDUE = "job_overdue"
    RECORD_MISSING = "record_missing"
    REQUEST_REFUSED = "request_refused"
    # Ours
    SUPERSEDED = "superseded"
    INTERNAL_ERROR = "internal_error"


# These pass by themselves: the step, or the poll, waits and tries again within its budget. All others fail at once.
TRANSIENT = frozenset(
    {Reason.PLATFORM_UNAVAILABLE, Reason.PLATFORM_BUSY, Reason.SOURCE_NOT_READ, Reason.OUTCOME_UNKNOWN}
)

# A case of these is worth what billing has otherwise than the books, up or down: no charge and no credit.
DIFFERENCES = frozenset({Reason.INVOICE_CHANGED, Reason.INVOICE_TAKEN_BACK})

# Of an invoice that is not booked before a second person has signed.
APPROVALS_OF_INVOICES = (Reason.INVOICE_APPROVAL_REQUIRED, Reason.INVOICE_GIVEN_UP, Reason.INVOICE_CANCELLED)

# These wait for a second person, not for a repair.
APPROVALS = frozenset(
    {
        Reason.CREDIT_APPROVAL_REQUIRED,
        Reason.DISCOUNT_APPROVAL_REQUIRED,
        Reason.LIST_PRICE_MISSING,
        Reason.INVOICE_APPROVAL_REQUIRED,
        Reason.INVOICE_GIVEN_UP,
        Reason.INVOICE_CANCELLED,
        Reason.CANCELLATION_APPROVAL_REQUIRED,
        Reason.REVERSAL_APPROVAL_REQUIRED,
    }
)
