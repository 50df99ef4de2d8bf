"""Posted entries ↔ journals in NetSuite: each there once under its key, with equal day, lines and dimensions."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from q2c.faults.checker.excuses import Excuses
from q2c.faults.checker.findings import Found
from q2c.faults.checker.reading import Databases, Platform, Row, differing, minor, paired, rows

POSTED = ("posted", "reversed")
SEGMENTS = {"cost_center": "department", "product_line": "class", "region": "location"}
APPROVED = "2"
# What NetSuite may round a rate by.
_RATE_ERROR, _RATE_SHARE = Decimal("0.000000005"), Decimal("0.000001")
# Account, minor units, customer, dimensions in the order of their names.
Line = tuple[Any, ...]

_ENTRIES = """
SELECT e.key COLLATE "C" AS key, e.number, e.state, e.effective_on, e.currency, e.functional_currency,
  e.functional_rate, e.customer, e.document_number, e.posted_reference,
  split_part(e.business_document, ':', 2) AS document, coalesce(nullif(le.erp_subsidiary, ''), le.code) AS subsidiary,
  e.correlation_id, l.lines
FROM ledger_journalentry e JOIN ledger_legalentity le ON le.id = e.entity_id
LEFT JOIN (SELECT l.entry_id, json_agg(json_build_array(a.code, l.amount_minor, l.dimensions)) AS lines
  FROM ledger_journalline l JOIN ledger_account a ON a.id = l.account_id GROUP BY 1) l ON l.entry_id = e.id
WHERE le.erp_connection = %s AND e.state <> 'drafted' ORDER BY 1, e.generation
"""
_THERE = """
SELECT coalesce(external_id, '') COLLATE "C" AS key, id, number, body FROM {schema}.record
WHERE kind = 'journalEntry' ORDER BY 1, id
"""
_MASTERS = "SELECT kind, id, coalesce(external_id, number, id) AS name, body FROM {schema}.record WHERE kind = ANY(%s)"
_OF_LINE = {"department": "department", "class": "classification", "location": "location"}
_KINDS = ("account", "subsidiary", "currency", "accountingPeriod", "customer", *_OF_LINE.values())
_ELSEWHERE = """
SELECT le.erp_connection AS name, count(*) AS journals
FROM ledger_journalentry e JOIN ledger_legalentity le ON le.id = e.entity_id
WHERE e.state IN ('posted', 'reversed') AND le.erp_connection NOT IN ('', %s) GROUP BY 1
"""
_KNOWN = "SELECT number, document_number, state FROM ledger_journalentry WHERE number = ANY(%s)"


@dataclass(frozen=True)
class Masters:
    """What NetSuite means by its internal ids: name by (kind, id), and the days of each period."""

    names: dict[tuple[str, str], str]
    periods: dict[str, tuple[str, str]]

    def name(self, kind: str, reference: dict[str, Any] | None) -> str:
        if not reference:
            return ""
        id_ = str(reference.get("id"))
        return self.names.get((kind, id_), f"{kind} {id_}")


def check(databases: Databases, excuses: Excuses, found: Found) -> None:
    erp = databases.platform("journals", "netsuite")
    for row in rows(databases.ours, _ELSEWHERE, [erp.name if erp else ""]):
        # Said, so that nobody takes them for compared.
        found.count(f"journals in {row.name}, not compared", row.journals)
    if erp is None:
        return
    masters = _masters(databases, erp)
    there = rows(databases.theirs, _THERE.format(schema=erp.schema))
    for key, ours, theirs in paired(rows(databases.ours, _ENTRIES, [erp.name]), there):
        if not key:
            for journal in theirs:
                _orphan(databases, erp, journal, excuses, found)
            continue
        posted = [entry for entry in ours if entry.state in POSTED]
        if len(posted) > 1:
            numbers = ", ".join(entry.number for entry in posted)
            found.add("double_entry", f"Key {key} is that of {len(posted)} posted entries: {numbers}", posted[0].number)
        if not ours:
            for journal in theirs:
                _orphan(databases, erp, journal, excuses, found)
        elif posted:
            found.count("journals")
            _posted(erp, masters, posted[0], theirs, found)
        else:
            _unposted(erp, ours[-1], theirs, excuses, found)


def _masters(databases: Databases, erp: Platform) -> Masters:
    names, periods = dict[tuple[str, str], str](), dict[str, tuple[str, str]]()
    for row in rows(databases.theirs, _MASTERS.format(schema=erp.schema), [list(_KINDS)]):
        name = row.body.get("acctNumber") or row.body.get("symbol") or row.name
        names[row.kind, row.id] = str(name)
        if row.kind == "accountingPeriod":
            periods[row.id] = row.body["startDate"], row.body["endDate"]
    return Masters(names, periods)


def _orphan(databases: Databases, erp: Platform, journal: Row, excuses: Excuses, found: Found) -> None:
    """A second one of an entry that is there, or one of nobody's; the memo begins with the entry's number."""
    words = str(journal.body.get("memo", "")).split()
    named, about = words[0] if words else "", f"Journal {journal.number} in {erp.name}"
    known = next(rows(databases.ours, _KNOWN, [[named]]), None)
    document = words[2] if len(words) > 2 else ""
    if known is not None and known.state in POSTED:
        text = f"{about} is a second one of entry {named}, which is {known.document_number} there"
        found.add("double_journal", text, document or named)
    else:
        text = f"{about} ({' '.join(words[:3]) or 'no memo'}) has key {journal.key or 'none'}, which q2c does not know"
        found.unless(excuses.of("post_journal", document, named), "orphan_journal", text, document or named)


def _unposted(erp: Platform, entry: Row, theirs: list[Row], excuses: Excuses, found: Found) -> None:
    """The newest of its key is not posted: its step is somebody's, whether the ledger holds it or not."""
    why = excuses.of("post_journal", entry.document or entry.number, entry.number)
    if entry.state != "superseded":
        text = f"Entry {entry.number} ({entry.document}) is {entry.state}, and nothing says why"
        found.unless(why, "unposted_entry", text, entry.document or entry.number)
    for journal in theirs:
        text = f"Entry {entry.number} ({entry.document}) is {entry.state} here, and {journal.number} in {erp.name}"
        found.unless(why, "orphan_journal", text, entry.document or entry.number)


def _posted(erp: Platform, masters: Masters, entry: Row, theirs: list[Row], found: Found) -> None:
    about, trace = f"Entry {entry.number} ({entry.document})", entry.document or entry.number
    if not theirs:
        text = f"{about} is {entry.document_number} in {erp.name} as far as q2c knows, and is not there"
        found.add("lost_journal", text, trace)
        return
    if len(theirs) > 1:
        numbers = ", ".join(journal.number for journal in theirs)
        found.add("double_journal", f"{about} is {len(theirs)} journals in {erp.name}: {numbers}", trace)
    journal = next((each for each in theirs if each.id == entry.posted_reference), theirs[0])
    body, currency = journal.body, entry.currency
    first, last = masters.periods.get(str(body["postingPeriod"]["id"]), ("", ""))
    groups = {
        "journal_date": {"date": (entry.effective_on, body["tranDate"])},
        "journal_currency": {"currency": (currency, masters.name("currency", body["currency"]))},
        "journal_subsidiary": {"subsidiary": (entry.subsidiary, masters.name("subsidiary", body["subsidiary"]))},
        "journal_reference": {
            "id": (entry.posted_reference, journal.id), "document number": (entry.document_number, journal.number)
        },
        "journal_state": {"approval": (APPROVED, body["approvalStatus"]["id"])},
    }  # fmt: skip
    for kind, pairs in groups.items():
        for text in differing(pairs):
            found.add(kind, f"{about}, {journal.number} in {erp.name}: {text}", trace)
    if not first <= str(entry.effective_on) <= last:
        text = f"the period is {first} to {last} there, the date {entry.effective_on} here"
        found.add("journal_date", f"{about}, {journal.number} in {erp.name}: {text}", trace)
    if text := _rate_differs(entry, body):
        found.add("journal_rate", f"{about}, {journal.number} in {erp.name}: {text}", trace)
    for kind, text in _lines_differ(erp, masters, entry, body):
        found.add(kind, f"{about}, {journal.number} in {erp.name}: {text}", trace)


def _rate_differs(entry: Row, body: dict[str, Any]) -> str:
    wanted = entry.functional_rate if entry.functional_currency != entry.currency else Decimal(1)
    there = Decimal(str(body.get("exchangeRate") or 1))
    if abs(there - wanted) <= max(_RATE_ERROR, wanted * _RATE_SHARE):
        return ""
    return f"rate is {wanted.normalize():f} here and {there} there"


def _lines_differ(erp: Platform, masters: Masters, entry: Row, body: dict[str, Any]) -> list[tuple[str, str]]:
    """(kind, text) of what is left once equal lines are taken away: another amount, dimension, customer or account."""
    segments = dict(sorted((erp.options.get("segments") or SEGMENTS).items()))
    ours = Counter(_our_line(line, entry.customer, segments) for line in entry.lines or [])
    theirs = Counter(_their_line(masters, item, entry.currency, segments) for item in body["line"]["items"])
    left, found = list((theirs - ours).elements()), []
    for line in (ours - theirs).elements():
        # The one that is most alike: of its account and amount, of its account, or any.
        alike = max(left, key=lambda other: _alike(line, other), default=None)
        if alike is not None:
            left.remove(alike)
        found.append((_kind(line, alike), f"line is {_told(line)} here and {_told(alike)} there"))
    return found + [("journal_amount", f"line {_told(line)} is only there") for line in left]


def _our_line(line: list[Any], customer: str, segments: dict[str, str]) -> Line:
    account, amount_minor, dimensions = line
    return account, amount_minor, customer, *(str(dimensions.get(name) or "") for name in segments)


def _their_line(masters: Masters, item: dict[str, Any], currency: str, segments: dict[str, str]) -> Line:
    debit, credit = minor(item.get("debit") or 0, currency), minor(item.get("credit") or 0, currency)
    amount = debit - credit if isinstance(debit, int) and isinstance(credit, int) else f"{debit} {credit}"
    values = (masters.name(_OF_LINE[segment], item.get(segment)) for segment in segments.values())
    return masters.name("account", item.get("account")), amount, masters.name("customer", item.get("entity")), *values


def _alike(line: Line, other: Line) -> tuple[bool, int]:
    return line[0] == other[0], sum(one == another for one, another in zip(line, other, strict=True))


def _kind(line: Line, other: Line | None) -> str:
    if other is None or line[1] != other[1]:
        return "journal_amount"
    if line[0] != other[0]:
        return "journal_account"
    return "journal_customer" if line[2] != other[2] else "journal_dimension"


def _told(line: Line | None) -> str:
    return " ".join(str(part) for part in line if part != "") if line else "nothing"
