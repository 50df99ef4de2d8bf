"""Facts into debits and credits, by posting rules that are data; and why."""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Any, NamedTuple

from django.db import transaction

from ledger import redated
from ledger.amounts import balanced
from ledger.books import Books, Entity, PeriodRow, RuleRow
from ledger.derivation import Desk, Posting, at_line
from ledger.facts import Fact, FactLine, Finding
from ledger.matched import fact_of, lines_of, row
from ledger.matching import filled, misfit, rank
from ledger.models import JournalEntry, PostingRule
from q2c.money import Money
from q2c.reasons import Reason


class DerivedLine(NamedTuple):
    """amount_minor > 0 is a debit. `rule` reads “ratable subscription v2”."""

    line: int
    account_id: int
    account_code: str
    account_name: str
    account_role: str
    amount_minor: int
    functional_minor: int
    group_minor: int
    dimensions: dict[str, str]
    dimensions_json: str
    memo: str
    rule_line_id: int
    rule: str


class Derived(NamedTuple):
    """Lines that balance, or findings that say why there are none. Neither: the fact books nothing (all zero)."""

    fact: Fact
    findings: tuple[Finding, ...]
    lines: tuple[DerivedLine, ...] = ()
    entity: Entity | None = None
    period: PeriodRow | None = None
    functional_rate: Decimal = Decimal(1)
    group_rate: Decimal = Decimal(1)
    total_minor: int = 0
    worth_minor: int = 0
    matched: list[dict[str, Any]] = []


def derive(facts: Sequence[Fact], books: Books | None = None) -> list[Derived]:
    """One Derived per fact, in order. At most nine queries per call, whatever its size; nothing is written."""
    facts = redated.applied(facts)
    desk = Desk(books or Books.load(facts))
    return [_derive(desk, fact) for fact in facts]


def header_findings(
    books: Books, fact: Fact, *, correction: bool = False
) -> tuple[Entity | None, PeriodRow | None, tuple[Decimal, Decimal], list[Finding]]:
    """Entity, period and rates (functional, group) of a fact, and what is wrong with them.

    A correction may still go into a period that is softly closed.
    """
    one = Decimal(1)
    entity = books.entities.get(fact.entity_code)
    if entity is None or not entity.is_active:
        state = "is not known" if entity is None else "is not active"
        text = f"Legal entity {fact.entity_code} {state}"
        found = Finding(Reason.LEGAL_ENTITY_UNDETERMINED, text, "legal_entity", fact.entity_code, "entity_code")
        return None, None, (one, one), [found]
    findings = []
    if entity.allowed_currencies and fact.currency not in entity.allowed_currencies:
        text = f"{entity.code} does not trade in {fact.currency}"
        findings.append(Finding(Reason.CURRENCY_NOT_ALLOWED, text, "legal_entity", entity.code, "currency"))
    period = books.period(entity, fact.subledger, fact.effective_on)
    findings += _period_findings(entity, fact, period, correction)
    rates, day = [], fact.dated_on or fact.effective_on
    for target in (entity.currency, entity.group_currency):
        rate = books.rate(fact.currency, target, day)
        if rate is None and (missing := books.rate_missing(fact.currency, target, day)) not in findings:
            findings.append(missing)
        rates.append(rate or one)
    return entity, period, (rates[0], rates[1]), findings


def _period_findings(entity: Entity, fact: Fact, period: PeriodRow | None, correction: bool) -> list[Finding]:
    name = period.name if period else f"{fact.effective_on:%Y-%m}"
    key = f"{entity.code}:{fact.subledger}:{name}"
    if period is None:
        text = f"{entity.code} has no {fact.subledger} period for {fact.effective_on}"
        return [Finding(Reason.PERIOD_MISSING, text, "fiscal_period", key, "effective_on")]
    if period.state == "open" or (correction and period.state == "soft_closed"):
        return []
    text = f"Period {name} of {entity.code} ({fact.subledger}) is {period.state.replace('_', ' ')}"
    return [Finding(Reason.PERIOD_CLOSED, text, "fiscal_period", key, "effective_on")]


def _derive(desk: Desk, fact: Fact) -> Derived:
    entity, period, rates, wrong = desk.header(fact, header_findings)
    findings = list(wrong)
    if entity is None:
        return Derived(fact, tuple(findings))
    matched: dict[int, dict[str, Any]] = {}
    rows = _postings(desk, fact, entity, findings, matched)
    amounts = [amount for _, amount, _ in rows]
    if not findings and sum(amounts) != 0:
        debits = sum(amount for amount in amounts if amount > 0)
        credits = sum(amount for amount in amounts if amount < 0)
        text = f"Debits {Money(debits, fact.currency)} and credits {Money(-credits, fact.currency)} differ"
        key = f"{entity.code}:{fact.event_type}:"
        findings.append(Finding(Reason.JOURNAL_UNBALANCED, text, "posting_rule", key, "lines"))
    if findings:
        return Derived(fact, tuple(findings), (), entity, period, *rates)
    functional = balanced(amounts, fact.currency, entity.currency, rates[0])
    in_group = balanced(amounts, fact.currency, entity.group_currency, rates[1])
    lines = tuple(
        _line(number, posting, (amounts[number - 1], functional[number - 1], in_group[number - 1]), memo)
        for number, (posting, _, memo) in enumerate(rows, 1)
    )
    return Derived(
        fact,
        (),
        lines,
        entity,
        period,
        *rates,
        total_minor=sum(a for a in amounts if a > 0),
        worth_minor=sum(line.net_minor + line.tax_minor for line in fact.lines),
        matched=list(matched.values()),
    )


def _line(number: int, posting: Posting, amounts: tuple[int, int, int], memo: str) -> DerivedLine:
    account = posting.account
    assert account is not None  # a posting without account has findings and never comes here
    return DerivedLine(
        number,
        account.id,
        account.code,
        account.name,
        account.role,
        *amounts,
        posting.dimensions,
        posting.dimensions_json,
        memo,
        posting.rule_line_id,
        posting.rule.label,
    )


def _postings(
    desk: Desk, fact: Fact, entity: Entity, findings: list[Finding], matched: dict[int, dict[str, Any]]
) -> list[tuple[Posting, int, str]]:
    """(posting, signed amount, memo) in the order of the rules' positions; what is wrong goes to `findings`, and what
    was matched to `matched`, by plan."""
    where = desk.context(fact, entity)
    single: list[tuple[Posting, int, str]] = []
    sums: dict[tuple[int, int, str], tuple[Posting, int]] = {}
    for line in fact.lines:
        plan = desk.plan(where, fact, line)
        if found := matched.get(id(plan)):
            found["lines"].append(line.line)
        else:
            matched[id(plan)] = row(line, {posting.rule.leg: posting.rule.id for posting in plan.postings})
        findings.extend(at_line(finding, line) for finding in plan.missing)
        measures = {"net": line.net_minor, "tax": line.tax_minor, "gross": line.net_minor + line.tax_minor}
        for posting in plan.postings:
            amount = posting.sign * measures[posting.measure]
            if not amount:
                continue
            if posting.findings:
                new = (at_line(finding, line) for finding in posting.findings)
                findings.extend(finding for finding in new if finding not in findings)
            elif posting.per_line:
                single.append((posting, amount, line.memo or fact.memo))
            else:
                key = (posting.rule_line_id, posting.account.id, posting.dimensions_json)  # type: ignore[union-attr]
                sums[key] = (posting, sums[key][1] + amount if key in sums else amount)
    single.extend((posting, amount, fact.memo) for posting, amount in sums.values() if amount)
    single.sort(key=lambda row: row[0].position)
    return single


@dataclass(frozen=True, slots=True)
class Looked:
    """One rule that was looked at: `why` says what keeps it from the line, or what makes it more or less specific."""

    rule_id: int
    rule: str
    fits: bool
    won: bool
    why: str


@dataclass(frozen=True, slots=True)
class Choice:
    """One leg of one fact line: who won (empty: nobody) and all that were looked at, the most specific first.

    `today`: of what is booked, the rule that would win by now, where it is another (empty: the same, or nobody).
    """

    line: int
    leg: str
    winner: str
    looked: tuple[Looked, ...]
    today: str = ""


@dataclass(frozen=True, slots=True)
class Explanation:
    choices: tuple[Choice, ...]
    lines: tuple[DerivedLine, ...]
    findings: tuple[Finding, ...]


def explain(fact: Fact) -> Explanation:
    """Which rules were looked at for each line and leg, which won and why, and what they make of the fact."""
    (fact,) = redated.applied([fact])
    books = Books.load([fact])
    derived = derive([fact], books)[0]
    entity = books.entities.get(fact.entity_code)
    rules = sorted(books.rules.get(fact.rule_set, ()), key=rank, reverse=True)
    choices = []
    for line in fact.lines if entity else ():
        for leg in dict.fromkeys(rule.leg for rule in rules):
            choices.append(_choice(entity, fact, line, leg, [rule for rule in rules if rule.leg == leg]))  # type: ignore[arg-type]
    return Explanation(tuple(choices), derived.lines, derived.findings)


def explain_booked(entry: JournalEntry) -> tuple[Choice, ...]:
    """Who won each leg of each line as the entry was booked, by what it keeps; and who else is there by now."""
    fact = fact_of(entry)
    books = Books.load([fact])
    entity = books.entities[fact.entity_code]
    rules = {rule.id: rule for rule in books.rules.get(fact.rule_set, ())}
    # What won may have ended since, as of its own first day: then it holds on no day at all.
    wanted = {id_ for _, won in lines_of(entry.matched) for id_ in won.values()} - rules.keys()
    rows = PostingRule.objects.filter(id__in=wanted).values_list(*RuleRow._fields)
    rules |= {one.id: one for one in (RuleRow(*columns) for columns in rows)}
    ranked = sorted(rules.values(), key=rank, reverse=True)
    choices = []
    for line, won in lines_of(entry.matched):
        for leg in dict.fromkeys(rule.leg for rule in ranked):
            of_leg = [rule for rule in ranked if rule.leg == leg]
            if leg in won:
                choices.append(_kept(entity, fact, line, leg, of_leg, rules[won[leg]]))
    return tuple(choices)


def _kept(entity: Entity, fact: Fact, line: FactLine, leg: str, rules: list[RuleRow], won: RuleRow) -> Choice:
    looked: list[Looked] = []
    today: RuleRow | None = None
    for rule in rules:
        wrong = misfit(rule, entity, fact, line)
        columns = ", ".join(filled(rule)).replace("_", " ") or "nothing"
        first, today = not wrong and today is None, today or (None if wrong else rule)
        if rule.id == won.id:
            why = f"the most specific that fitted as this was booked: it names {columns}" + (
                f". Today it {wrong}" if wrong else ""
            )
        elif first:
            why = f"would win today: it names {columns}"
        else:
            why = wrong or f"fits, but is less specific than {(today or won).label}: it names {columns}"
        looked.append(Looked(rule.id, rule.label, not wrong, rule.id == won.id, why))
    other = today.label if today is not None and today.id != won.id else ""
    return Choice(line.line, leg, won.label, tuple(looked), other)


def _choice(entity: Entity, fact: Fact, line: FactLine, leg: str, rules: list[Any]) -> Choice:
    looked: list[Looked] = []
    winner = ""
    for rule in rules:
        why = misfit(rule, entity, fact, line)
        fits, won = not why, not why and not winner
        columns = ", ".join(filled(rule)).replace("_", " ") or "nothing"
        if won:
            winner, why = rule.label, f"the most specific that fits: it names {columns}"
        elif fits:
            why = f"fits, but is less specific than {winner}: it names {columns}"
        looked.append(Looked(rule.id, rule.label, fits, won, why))
    return Choice(line.line, leg, winner, tuple(looked))


def revise(
    rule: PostingRule, effective_from: dt.date, lines: Sequence[dict[str, Any]] | None = None, **changes: Any
) -> PostingRule:
    """A new version from a day on; the old one ends there. `lines` replaces the rule's lines, else they are copied.

    From the old one's own first day on, the old one was never in force: entries not yet posted can be re-derived.
    """
    with transaction.atomic():
        old = PostingRule.objects.select_for_update().get(pk=rule.pk)
        copied = list(old.lines.values("position", "measure", "side", "account_role", "dimensions", "grouping"))
        columns = ("rule_set", "name", "leg", "entity_id", "event_type", "product", "revenue_treatment", "kind")
        kept = {name: getattr(old, name) for name in (*columns, "tax_code", "currency", "effective_to")}
        old.effective_to = max(effective_from, old.effective_from)
        old.save(update_fields=["effective_to"])
        versions = PostingRule.objects.filter(rule_set=old.rule_set, name=old.name).values_list("version", flat=True)
        new = PostingRule(**kept | {"effective_from": effective_from, "version": max(versions) + 1} | changes)
        new.full_clean()
        new.save()
        for line in copied if lines is None else lines:
            made = new.lines.model(rule=new, **line)
            made.full_clean()
            made.save()
    return new
