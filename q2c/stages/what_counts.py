"""As what a document counts once: in what is billed (reading/tie_out.py), and the same in what is told of it below.

By the newest version of which it is known where it belongs and what it is worth. One that cannot be read is that from
when it comes until the document comes so that it can be read, or is taken back: it takes the place of those before it,
in the month and with the total that it says (reading/unread.py). What is booked counts by its newest version that can
be read, and what an unreadable one says more is told by its case, and given up as a difference
(reading/unread_of_booked.py).

Of what several systems tell of under one number billing's word counts (in_billing.py); what billing knows by no name
gives way to what is booked, then to what can be read, then to what came last.
"""

from __future__ import annotations

# Of a step and its event: whether a newer version came that can be read.
NEWER = """
SELECT FROM q2c_step n JOIN q2c_event f ON f.id = n.event_id
WHERE n.stage = 'record_invoice' AND n.order_key = {step}.order_key
AND (f.occurred_at, n.seq) > ({event}.occurred_at, {step}.seq)
"""
# Of an event: whether billing took its document back, and whether it is booked as it was told there.
TAKEN_BACK = """
SELECT FROM q2c_cancelledinvoice o WHERE o.source = {0}.source AND o.reference = {0}.payload ->> 'billing_reference'
"""
BOOKED = """
SELECT FROM q2c_invoice b WHERE b.source = {0}.source AND b.state <> 'voided'
AND b.billing_reference = {0}.payload ->> 'billing_reference'
"""
