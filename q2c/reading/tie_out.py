"""How a month of a legal entity ties out: what is billed less what is booked, and what of that is told.

What is billed is counted from what came in, and not from what became of it here: the newest version of each document
that billing told and has not taken back, and what other systems told that billing does not know
(stages/what_counts.py). So what nothing tells of shows.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from q2c import bulk
from q2c.engine.unread import total
from q2c.reading import unread
from q2c.reading.differences import SIGNED, Sums
from q2c.reading.two_months import Sides
from q2c.reading.unbooked import UNDER_WAY, Unbooked
from q2c.reasons import Reason
from q2c.stages.in_billing import SYSTEMS, document_of, has_named
from q2c.stages.what_counts import BOOKED, NEWER, TAKEN_BACK

# Of what several others told under one name, what is booked counts, else what came last.
_TOLD_BY_ANOTHER = f"""
SELECT FROM q2c_step b JOIN q2c_event g ON g.id = b.event_id
WHERE b.stage = 'record_invoice' AND b.business_key = s.business_key AND b.entity = s.entity
AND g.source <> e.source AND g.source NOT IN {SYSTEMS}
AND (EXISTS ({BOOKED.format("g")}) OR (b.seq > s.seq AND NOT EXISTS ({BOOKED.format("e")})))
"""
# A document counts as billing has it, else as the system that told of it.
_COUNTS = f"""
CASE WHEN e.source IN {SYSTEMS} THEN NOT EXISTS ({TAKEN_BACK.format("e")})
  ELSE NOT {has_named("s.business_key", "s.entity")} AND NOT EXISTS ({_TOLD_BY_ANOTHER}) END
"""
# On its way is what no stage has judged yet, and no difference tells of, as of a change whose case is replayed.
_COMING = f"s.state = ANY(%s::text[]) AND s.reason <> '{Reason.INVOICE_CHANGED}'"
# Where what came since cannot be read, that counts in their place.
_BILLED = f"""
SELECT CASE WHEN e.source IN {SYSTEMS} THEN '' ELSE e.source END, s.currency, sum(s.amount_minor)::bigint,
  coalesce(sum(s.amount_minor) FILTER (WHERE {_COMING}), 0)::bigint,
  count(*) FILTER (WHERE EXISTS ({BOOKED.format("e")}))
FROM q2c_step s JOIN q2c_event e ON e.id = s.event_id
WHERE s.stage = 'record_invoice' AND s.entity = %s::text AND s.period = %s::text AND s.currency <> ''
AND NOT EXISTS ({NEWER.format(step="s", event="e")})
AND s.order_key <> ALL(%s::text[])
AND {_COUNTS}
GROUP BY 1, 2
"""
# What is booked of a document that is on its way, whoever told of it, leaves the month of its own day then; a decision
# about that day is told beside it.
_LEAVES = f"""
SELECT i.currency, -sum(i.total_minor)::bigint
FROM q2c_step s JOIN q2c_event e ON e.id = s.event_id
JOIN LATERAL (
  SELECT * FROM q2c_invoice WHERE source = e.source AND billing_reference = e.payload ->> 'billing_reference'
  UNION SELECT j.* FROM q2c_step v JOIN q2c_invoice j ON j.number = v.business_key AND j.entity = v.entity
  WHERE v.stage = 'record_invoice' AND v.order_key = s.order_key AND e.source IN {SYSTEMS}
  AND j.source NOT IN {SYSTEMS} AND {document_of("j.number", "j.entity")} = s.order_key
) i ON i.state <> 'voided'
JOIN ledger_legalentity n ON n.code = i.entity
JOIN ledger_fiscalperiod p ON p.entity_id = n.id AND p.subledger = 'receivables'
  AND p.starts_on <= i.issued_on AND p.ends_on > i.issued_on
WHERE s.stage = 'record_invoice' AND {_COMING} AND n.code = %s::text AND p.name = %s::text
AND NOT EXISTS ({NEWER.format(step="s", event="e")}) AND {_COUNTS}
GROUP BY 1
"""
_BOOKS = """
SELECT j.currency, sum(j.worth_minor)::bigint,
  coalesce(sum(j.worth_minor) FILTER (WHERE j.state IN ('posted', 'reversed')), 0)::bigint
FROM ledger_journalentry j
JOIN ledger_fiscalperiod p ON p.id = j.period_id JOIN ledger_legalentity n ON n.id = j.entity_id
WHERE n.code = %s::text AND p.name = %s::text AND p.subledger = 'receivables' AND j.state <> 'superseded'
AND (j.reverses_id IS NULL OR j.state IN ('posted', 'reversed'))
GROUP BY 1
"""


@dataclass(frozen=True, slots=True)
class Other:
    """What one system told that billing does not know; `recorded` documents of it are in the list of invoices."""

    source: str
    minor: int
    recorded: int


@dataclass(frozen=True, slots=True)
class TieOut:
    """Of one currency, in minor units. `others` is what other systems told and billing does not know, by system.

    `unread` is worth of documents that cannot be read, as far as it is known: it counts as billed. `posted` is what of
    `booked` the ledger has.
    """

    currency: str
    billing: int
    others: tuple[Other, ...]
    unread: int
    booked: int
    posted: int
    differences: int
    decided: int
    under_way: int
    to_book: int

    @property
    def apart(self) -> int:
        return self.billing + sum(one.minor for one in self.others) + self.unread - self.booked

    @property
    def left(self) -> int:
        """What nothing tells of; nothing, where the month ties out."""
        return self.apart - self.differences - self.decided - self.under_way - self.to_book


def of_month(
    user: Any, entity: str, period: str, found: Sums, settled: Sides | None, to_book: Unbooked
) -> list[TieOut]:
    """By currency; `found`, `settled` and `to_book` are the month's. For who may see all of it. Four statements, and
    four more where something could not be read."""
    billing, others = Counter[str](), defaultdict[str, list[Other]](list)
    instead = unread.instead(user)
    coming = Counter[str]()
    for source, currency, minor, of_it, recorded in bulk.execute(
        _BILLED, [list(UNDER_WAY), entity, period, list(instead)]
    ):
        if source:
            others[currency].append(Other(source, minor, recorded))
        else:
            billing[currency] = minor
        coming[currency] += of_it
    unreadable = _summed(
        (total(case), case.currency)
        for case in unread.to_book(instead.values())
        if (case.entity, case.period) == (entity, period)
    )
    coming.update(dict(bulk.execute(_LEAVES, [list(UNDER_WAY), entity, period])))
    booked, posted = Counter[str](), Counter[str]()
    for currency, minor, of_it in bulk.execute(_BOOKS, [entity, period]):
        booked[currency], posted[currency] = minor, of_it
    rows = [one for kind in found.kinds if kind in SIGNED or kind == "invoice" for one in found.found[kind]]
    differing = _summed((one.amount_minor, one.currency) for one in rows)
    unreadable.update(_summed((one.amount_minor, one.currency) for one in rows if one.is_unread))
    decided = _summed(
        (side.worth.minor, side.worth.currency) for _, sides in (settled.each() if settled else ()) for side in sides
    )
    waiting = _summed(to_book.sums)
    parts = (unreadable, booked, posted, differing, decided, coming, waiting)
    currencies = sorted({currency for part in (billing, others, *parts) for currency in part})
    return [
        TieOut(currency, billing[currency], tuple(sorted(others[currency], key=lambda one: one.source)),
               *(part[currency] for part in parts))
        for currency in currencies
    ]  # fmt: skip


def _summed(pairs: Iterable[tuple[int | None, str]]) -> Counter[str]:
    sums: Counter[str] = Counter()
    for minor, currency in pairs:
        if minor is not None and currency:
            sums[currency] += minor
    return sums
