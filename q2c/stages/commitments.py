"""What paying accounts have bought and do not owe by the ledger yet: credit is asked about a deal on top of that.

Two deals of one account that are decided at the same time would each pass without the other. Whoever decides takes the
account's turn, and holds the answers to what is committed by then.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

from msgspec import structs

from q2c import bulk, clock
from q2c.stages import credit_and_tax, owing
from q2c.stages.cut_short import REST
from q2c.stages.owing import CreditSaid
from q2c.stages.verb import Work

# Usage has no amount in the order. An invoice whose journal was reversed counts for nothing: billing bills it anew. So
# it may what a credit takes back, and nothing tells a corrected invoice from a favour before the next one comes: rather
# too much is committed than too little (docs/connectors/credit.md).
_STANDING = f"""
SELECT payer, currency, sum(greatest(0, total_minor - billed_minor))::bigint, sum(billed_minor)::bigint
FROM (
    SELECT g.bill_to AS payer, g.currency, g.total_minor - coalesce((
        -- What billing will not bill: somebody has it end there before its order does here.
        SELECT {REST} FROM q2c_subscription s
        WHERE s.order_id = o.id AND s."group" = g.key AND s.ended_there_on IS NOT NULL
    ), 0) AS total_minor, coalesce((
        SELECT sum(l.net_minor)
        FROM q2c_invoice i JOIN q2c_invoiceline l ON l.invoice_id = i.id
        WHERE i.order_id = o.id AND i."group" = g.key AND l.kind <> 'usage'
          -- Until the ledger holds it, nobody else counts it as owed.
          AND i.state NOT IN ('issued', 'recorded', 'voided')
          AND NOT ledger_taken_back(i.event_id)
    ), 0) AS billed_minor
    FROM q2c_ordergroup g JOIN q2c_order o ON o.id = g.order_id
    WHERE g.bill_to = ANY(%s::text[]) AND o.state IN ('accepted', 'provisioning', 'active')
      AND (o.starts_on + make_interval(months => o.term_months))::date > %s::date
      -- Of an order that was cancelled in part, or that goes on here alone: billing bills nothing more of it.
      AND NOT EXISTS (
        SELECT FROM q2c_subscription s
        WHERE s.order_id = o.id AND s."group" = g.key AND (s.state = 'cancelled' OR s.ended_there_on <= %s::date)
      )
) AS bought
GROUP BY payer, currency
"""

# Minor units by paying account and currency.
Owing = Counter[tuple[str, str]]


@dataclass(frozen=True, slots=True)
class Standing:
    """Of accepted orders, as far as they are not cancelled and their term is not over, before tax: what of them is
    `billed` and owed by the ledger, less credits, and what is `unbilled`, also since a credit took it back.
    """

    unbilled: Owing
    billed: Owing


def standing(payers: Iterable[str]) -> Standing:
    """One statement, whatever their number."""
    rows = bulk.execute(_STANDING, [sorted(set(payers)), clock.today(), clock.today()])
    return Standing(
        Counter({(payer, currency): minor for payer, currency, minor, _ in rows if minor}),
        Counter({(payer, currency): minor for payer, currency, _, minor in rows if minor}),
    )


def unbilled(payers: Iterable[str]) -> Owing:
    """Of accepted orders that are not cancelled and whose term is not over, before tax."""
    return standing(payers).unbilled


def tell(works: Sequence[Work]) -> None:
    """Put into the credit questions what is committed already. Of a batch, deals that may pass count for later ones.

    One that was answered with no before does not: whatever it is told too little, the answer is held to what is
    committed once it is recorded, and told too much it might be asked about again and again.
    """
    asking = [work for work in works if work.request is not None]
    found = standing(credit.customer for work in asking for credit in work.request.credits)
    there = Counter(found.unbilled)
    for work in asking:
        wanted = work.request
        told = [structs.replace(credit, committed=_of(credit.customer, there)) for credit in wanted.credits]
        work.request, work.notes["billed"] = replace(wanted, credits=told), found.billed
        if not work.notes["found"] and not work.notes.get("said_no"):
            _add(work, there)


class Turns:
    """The turns of all payers of a batch, taken until the transaction ends, and what they have committed by then.

    One deal after the other: what was answered about it is held to what is committed as it is decided. The credit
    service is asked again only where its figures do not tell what it would say, and where only its own word lets a
    deal pass: so deciding many deals of one payer takes as many questions, whoever decides beside it.
    """

    def __init__(self, works: Sequence[Work]) -> None:
        payers = sorted({credit.customer for work in works for credit in work.request.credits})
        bulk.take_turns(f"credit of {payer}" for payer in payers)
        found = standing(payers)
        self._unbilled, self._billed = found.unbilled, found.billed

    def holds(self, work: Work) -> bool:
        """Whether its answers, brought to what is committed, tell what to decide; else it is asked about again."""
        for credit in work.request.credits:
            committed = _of(credit.customer, self._unbilled)
            said: CreditSaid | None = work.notes.get("credits", {}).get(credit.customer)
            told = said.request.committed if said else credit.committed
            was_billed = self._was_billed(work, credit.customer)
            if told == committed and not was_billed:
                continue
            now = owing.restated(said, committed) if said and not was_billed else None
            if said and now:
                owing.say_instead(work.notes, said, now)
                if owing.is_loosened(said, now):
                    work.notes["loosened"] = credit.name
                continue
            is_no = bool(said and said.findings)
            # What was billed meanwhile is owed as before, by the ledger instead: a yes stands, and a no shows figures.
            was_owed = _owed(told, _of(credit.customer, work.notes["billed"]))
            is_owed = _owed(committed, _of(credit.customer, self._billed))
            if (is_no and was_billed) or _decides_otherwise(was_owed, is_owed, is_no=is_no):
                _ask_again(work, credit.name)
                return False
        return True

    def lets(self, work: Work) -> bool:
        """Counts a deal that nothing is against for those after it; not one that the service's own word was no to."""
        if name := work.notes.get("loosened"):
            _ask_again(work, name)
            return False
        _add(work, self._unbilled)
        return True

    def _was_billed(self, work: Work, payer: str) -> bool:
        """Whether the ledger holds other invoices than before the question: what the service counts as owed moves."""
        return _of(payer, work.notes["billed"]) != _of(payer, self._billed)


def _owed(*sums: Iterable[tuple[str, int]]) -> Counter[str]:
    """By currency, what several (currency, minor units) come to together."""
    found: Counter[str] = Counter()
    for currency, minor in (pair for each in sums for pair in each):
        found[currency] += minor
    return found


def _decides_otherwise(was_owed: Mapping[str, int], is_owed: Mapping[str, int], *, is_no: bool) -> bool:
    """More than was asked with; or less, where the answer was no."""
    pairs = [(was_owed.get(one, 0), is_owed.get(one, 0)) for one in {*was_owed, *is_owed}]
    return any(is_ > was or (is_no and is_ < was) for was, is_ in pairs)


def _ask_again(work: Work, payer: str) -> None:
    work.again(f"Another deal of {payer} was decided meanwhile: credit is asked again")
    said = work.notes.get("credits", {}).values()
    is_no = "loosened" in work.notes or any(one.findings for one in said)
    credit_and_tax.keep_for_next(work, is_no=is_no)


def _of(payer: str, there: Owing) -> tuple[tuple[str, int], ...]:
    return tuple(sorted((currency, minor) for (of, currency), minor in there.items() if of == payer and minor))


def _add(work: Work, there: Owing) -> None:
    for credit in work.request.credits:
        for currency, minor in ((credit.currency, credit.amount_minor), *credit.further):
            there[credit.customer, currency] += minor
