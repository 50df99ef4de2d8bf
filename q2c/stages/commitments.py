"""What paying accounts have bought and do not owe by the ledger yet: credit is asked about a deal on top of that.

Two deals of one account that are decided at the same time would each pass without the other. Whoever decides takes the
account's turn, and asks again where another deal was decided since the question.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import replace

from msgspec import structs

from q2c import bulk, clock
from q2c.contracts.documents import CreditRequest
from q2c.reasons import Reason
from q2c.stages.verb import Work

# Usage has no amount in the order. An invoice whose journal was reversed counts for nothing: billing bills it anew.
_UNBILLED = """
SELECT payer, currency, sum(minor)::bigint
FROM (
    SELECT g.bill_to AS payer, g.currency, greatest(0, g.total_minor - coalesce((
        SELECT sum(l.net_minor)
        FROM q2c_invoice i JOIN q2c_invoiceline l ON l.invoice_id = i.id
        WHERE i.order_id = o.id AND i."group" = g.key AND l.kind <> 'usage'
          -- Until the ledger holds it, nobody else counts it as owed.
          AND i.state NOT IN ('issued', 'recorded', 'voided')
          AND NOT ledger_taken_back(i.event_id)
    ), 0)) AS minor
    FROM q2c_ordergroup g JOIN q2c_order o ON o.id = g.order_id
    WHERE g.bill_to = ANY(%s::text[]) AND o.state IN ('accepted', 'provisioning', 'active')
      AND (o.starts_on + make_interval(months => o.term_months))::date > %s::date
) AS unbilled
WHERE minor > 0 GROUP BY payer, currency
"""

_NO = (Reason.CREDIT_REFUSED, Reason.CREDIT_APPROVAL_REQUIRED)
# Minor units by paying account and currency.
Owing = Counter[tuple[str, str]]


def unbilled(payers: Iterable[str]) -> Owing:
    """Of accepted orders that are not cancelled and whose term is not over, before tax."""
    rows = bulk.execute(_UNBILLED, [sorted(set(payers)), clock.today()])
    return Counter({(payer, currency): minor for payer, currency, minor in rows})


def tell(works: Sequence[Work]) -> None:
    """Put into the credit questions what is committed already. Of a batch, deals that may pass count for later ones."""
    asking = [work for work in works if work.request is not None]
    there = unbilled(credit.customer for work in asking for credit in work.request.credits)
    for work in asking:
        wanted = work.request
        work.request = replace(wanted, credits=[_told(credit, there) for credit in wanted.credits])
        if not work.notes["found"]:
            _add(work, there)


def ask_again_where_changed(works: Sequence[Work]) -> list[Work]:
    """Those whose answers hold; the others wait for another question. `works` tell what was found about credit.

    The turns of all their payers are taken until the transaction ends. Each work that holds and has nothing against it
    counts for those after it, as it is about to be accepted.
    """
    payers = sorted({credit.customer for work in works for credit in work.request.credits})
    bulk.take_turns(f"credit of {payer}" for payer in payers)
    now, firm = unbilled(payers), []
    for work in works:
        if (payer := _changed(work, now)) is not None:
            work.again(f"Another deal of {payer} was decided meanwhile: credit is asked again")
            continue
        firm.append(work)
        if not work.notes["found"]:
            _add(work, now)
    return firm


def _changed(work: Work, now: Owing) -> str | None:
    """The payer who owes more than was asked with; or less, where the answer was no."""
    refused = any(finding.reason in _NO for finding in work.notes["found"])
    for credit in work.request.credits:
        told = dict(credit.committed)
        for currency in {*told, *(c for payer, c in now if payer == credit.customer)}:
            was, is_ = told.get(currency, 0), now[credit.customer, currency]
            if is_ > was or (refused and is_ < was):
                return credit.name
    return None


def _told(credit: CreditRequest, there: Owing) -> CreditRequest:
    mine = sorted((currency, minor) for (payer, currency), minor in there.items() if payer == credit.customer)
    return structs.replace(credit, committed=tuple(mine))


def _add(work: Work, there: Owing) -> None:
    for credit in work.request.credits:
        for currency, minor in ((credit.currency, credit.amount_minor), *credit.further):
            there[credit.customer, currency] += minor
