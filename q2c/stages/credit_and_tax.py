"""What the credit and the tax service are asked about a deal, and what their answers mean for it."""

from __future__ import annotations

import datetime as dt
import re
from collections import Counter
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from decimal import Decimal
from typing import Any

from ledger import fx
from q2c import clock, keys
from q2c.connectors import http
from q2c.connectors.outcomes import Blocker, Outcome, Posted, Rejected, Unavailable
from q2c.contracts.documents import CreditDecision, CreditRequest, InvoiceGroup, OrderDocument, TaxRequest
from q2c.money import Money, converted
from q2c.reasons import Reason
from q2c.stages.controls.world import World
from q2c.stages.verb import Finding, Measure, OpenPort, Work

ASKED_AT_ONCE = 8
_LINE = re.compile(r"lines/(\d+)(?:/(\w+))?")


@dataclass(frozen=True, kw_only=True, slots=True)
class Questions:
    """The connections to ask, and what: tax per invoice group (by its place in the order), credit per payer."""

    tax: str
    credit: str
    taxes: Sequence[tuple[int, TaxRequest]]
    credits: Sequence[CreditRequest]


def questions(order: OrderDocument, data: World, tax: str, credit: str) -> Questions:
    """Nothing is asked for a group whose entity or payer is not determined: a control says so already."""
    taxes: list[tuple[int, TaxRequest]] = []
    # One payer's groups count together, whatever their currency: each alone might pass where the deal does not.
    owed: dict[str, dict[str, int]] = {}
    for position, group in enumerate(order.groups):
        entity, payer = data.entity_of(group, order), data.payer(group.bill_to)
        if entity is None or payer is None:
            continue
        if lines := _taxed(order, group, data):
            request = TaxRequest(
                code=keys.idempotency_key("tax", order.order_number, group.key), customer=payer.key,
                company=entity.code, currency=group.currency, on=order.starts_on, ship_from=None,
                ship_to=group.ship_to, lines=lines,
            )  # fmt: skip
            taxes.append((position, request))
        sums = owed.setdefault(payer.key, {})
        amount_minor = sum(line.amount_minor for line in order.lines if line.group == group.key)
        sums[group.currency] = sums.get(group.currency, 0) + amount_minor
    credits = [_credit(order, data, payer, sums) for payer, sums in owed.items()]
    return Questions(tax=tax, credit=credit, taxes=taxes, credits=credits)


def _credit(order: OrderDocument, data: World, payer: str, sums: dict[str, int]) -> CreditRequest:
    """Asked in the contract's currency where the payer owes some in it."""
    currency = order.currency if order.currency in sums else next(iter(sums))
    place = next(group.ship_to for group in order.groups if (p := data.payer(group.bill_to)) and p.key == payer)
    return CreditRequest(
        customer=payer, name=data.customers[payer].name, country=place.country, currency=currency,
        amount_minor=sums[currency], further=tuple((other, m) for other, m in sums.items() if other != currency),
    )  # fmt: skip


def _taxed(order: OrderDocument, group: InvoiceGroup, data: World) -> tuple[tuple[int, str, str, int], ...]:
    numbers = [line.line for line in order.lines if line.group == group.key]
    if len(set(numbers)) < len(numbers):
        # The service could not tell them apart, and a control says so already.
        return ()
    return tuple(
        (line.line, data.products[line.product].tax_code, line.product, line.amount_minor)
        for line in order.lines
        if line.group == group.key and line.product in data.products
    )


def ask(
    open_port: OpenPort, order: OrderDocument, wanted: Questions, found: list[Finding], notes: dict[str, Any]
) -> Outcome:
    """Append what credit and tax say to `found`; notes: taxes by currency, line_taxes by line, answered, silent, owed:
    by payer, what it would owe beside its soft limit, told: of credit and tax what is answered whole.

    What is wrong with the connection (silence, credentials) is the outcome, since it says nothing about the deal.
    """
    answered: set[str] = notes.setdefault("answered", set())
    for credit in wanted.credits:
        answer = open_port(wanted.credit).check_credit(credit)
        if _is_no_answer(answer):
            notes["silent"] = wanted.credit
            return answer
        answered.add(wanted.credit)
        if isinstance(answer, CreditDecision):
            owed = _measured(credit, answer, answer.soft_limit_minor)
            notes.setdefault("owed", {})[credit.customer] = owed
        found.extend(_of_credit(wanted.credit, credit, answer))
    notes["told"] = ["credit"] if wanted.credits else []
    taxes: Counter[str] = Counter()
    by_line: dict[int, int] = {}
    for position, request in wanted.taxes:
        answer = open_port(wanted.tax).estimate(request)
        if _is_no_answer(answer):
            notes["silent"] = wanted.tax
            return answer
        answered.add(wanted.tax)
        if isinstance(answer, Rejected):
            found.append(_of_tax(order, position, answer))
        else:
            taxes[request.currency] += answer.tax_minor
            by_line |= answer.by_line
    notes["taxes"], notes["line_taxes"] = taxes, by_line
    notes["told"] += ["tax"] if wanted.taxes else []
    return Posted(reference="")


def ask_all(open_port: OpenPort, works: Sequence[Work]) -> list[Any]:
    """As ask(), for a dry run of many, several at a time; once a service was silent, the rest are not kept waiting."""
    for name in {name for work in works for name in (work.request.credit, work.request.tax) if name}:
        # Opened before threads need it: that reads the database.
        open_port(name)
    silent: list[Outcome] = []

    def one(work: Work) -> Any:
        if silent:
            return silent[0]
        answer = ask(open_port, work.fact.payload, work.request, work.notes["found"], work.notes)
        if not isinstance(answer, Posted):
            silent.append(answer)
        return answer

    with ThreadPoolExecutor(ASKED_AT_ONCE, thread_name_prefix="ask") as pool:
        return list(pool.map(http.in_context(one), works))


def _is_no_answer(answer: Any) -> bool:
    return isinstance(answer, Unavailable) or (
        isinstance(answer, Rejected) and answer.reason == Reason.CREDENTIALS_REFUSED
    )


def _of_tax(order: OrderDocument, group: int, refused: Rejected) -> Finding:
    return Finding(
        reason=Reason.TAX_REFUSED, text=refused.text, code=refused.code, blocker=refused.blocker,
        pointer=_pointer(order, group, refused.field),
        remedy="Correct the ship-to address, the tax code or the company's registration with the tax service, "
        "then replay",
    )  # fmt: skip


def _pointer(order: OrderDocument, group: int, field: str) -> str:
    """'lines/3/taxCode' of the tax service → where that stands in the order."""
    if found := _LINE.fullmatch(field):
        position = next((i for i, line in enumerate(order.lines) if str(line.line) == found[1]), None)
        return f"/groups/{group}" if position is None else f"/lines/{position}/product"
    return f"/groups/{group}/ship_to" if field in ("ship_to", "postalCode") else f"/groups/{group}"


def _of_credit(connection: str, request: CreditRequest, answer: CreditDecision | Rejected) -> list[Finding]:
    if isinstance(answer, Rejected):
        return [
            Finding(
                reason=Reason.CREDIT_REFUSED, text=answer.text, code=answer.code, pointer="/customer",
                remedy="Settle it with the credit desk, then replay", blocker=answer.blocker,
            )
        ]  # fmt: skip
    if answer.decision == "approve":
        return []
    refused = answer.decision == "decline"
    limit_minor = answer.hard_limit_minor if refused else answer.soft_limit_minor
    over = over_credit(_measured(request, answer, limit_minor), "hard" if refused else "soft")
    if refused:
        remedy, blocker = "Raise the limit or collect, then replay", _limit(connection, request, answer)
        over = replace(over, reason=Reason.CREDIT_REFUSED, remedy=remedy, blocker=blocker)
    return [replace(over, code=answer.provider_reference)]


def over_credit(measure: Measure, limit: str = "soft") -> Finding:
    """What is asked about a payer that would owe more than its limit."""
    would_owe = _said(measure)
    return Finding(
        reason=Reason.CREDIT_APPROVAL_REQUIRED, pointer="/customer", seen=would_owe, measure=measure,
        text=f"{measure.of} would owe {would_owe}, more than its {limit} credit limit of "
        f"{measure.unit} {Decimal(measure.limit):,f}",
        remedy="A second person approves the credit",
    )  # fmt: skip


def owed_by(owed: Mapping[str, Measure], asked: Measure) -> Measure | None:
    """What the payer who was asked about would owe now, whatever its name has become; `owed` by payer."""
    if asked.key:
        return owed.get(asked.key)
    # Of what was asked before keys were told: by name, or whoever is to owe as much for the deal.
    deal = of_deal(asked)
    for now in sorted(owed.values(), key=lambda one: one.of != asked.of):
        of_now = of_deal(now)
        as_much = all(of_now.get(currency, 0) >= minor for currency, minor in deal.items())
        if now.of == asked.of or (now.unit == asked.unit and as_much):
            return now
    return None


def still_over(asked: Finding, now: Measure) -> Finding | None:
    """What a payer would owe now, in the currency and under the limit of what was asked about it; None within that."""
    then = asked.measure
    assert then is not None, "credit is asked about with its measure"
    here = now if now.unit == then.unit else _converted(now, then.unit)
    if here is None:
        text = f"{now.of} would owe {_said(now)}; {_said(then)} were asked about, and no rate tells which is more"
        return replace(asked, text=text, seen=_said(now))
    if Decimal(here.value) <= Decimal(then.limit):
        return None
    return replace(over_credit(replace(here, limit=then.limit)), code=asked.code)


def _converted(measure: Measure, unit: str) -> Measure | None:
    """At today's rate, without its limit; None where there is none."""
    pair, today = (measure.unit, unit), clock.today()
    dated = fx.load([pair], (today, today + dt.timedelta(days=1)))[pair].dated(today)
    if dated is None:
        return None
    on, rate = dated
    minor = converted(Money.of(Decimal(measure.value), measure.unit).minor, *pair, rate)
    return replace(
        measure,
        value=f"{Money(minor, unit).decimal():f}",
        unit=unit,
        amounts=(*measure.amounts, ("All of it as converted", minor, unit)),
        rates=(*measure.rates, (*pair, f"{rate.normalize():f}", on.isoformat())),
    )


def _said(measure: Measure) -> str:
    return f"{measure.unit} {Decimal(measure.value):,f}"


_DEAL = ("This deal", "and of this deal")


def of_deal(measure: Measure) -> dict[str, int]:
    """Of what a payer would owe, what a deal adds to it: minor units by currency."""
    return {currency: minor for what, minor, currency in measure.amounts if what in _DEAL}


def _measured(request: CreditRequest, answer: CreditDecision, limit_minor: int) -> Measure:
    """What the payer would owe beside its limit, with everything that the service made it of."""
    currency = answer.currency
    asked: list[tuple[str, int, str]] = [(_DEAL[0], request.amount_minor, currency)]
    asked += [(_DEAL[1], minor, other) for other, minor in request.further]
    unbilled = [("Accepted, not billed yet", answer.committed_minor, currency)] if request.committed else []
    whole = [("The deal as converted", answer.requested_minor, currency)] if request.further else []
    return Measure(
        of=request.name,
        key=request.customer,
        value=f"{Money(answer.would_owe_minor, currency).decimal():f}",
        limit=f"{Money(limit_minor, currency).decimal():f}",
        unit=currency,
        amounts=(
            ("Owed before", answer.exposure_minor, currency), *unbilled, *asked, *whole,
            ("Soft limit", answer.soft_limit_minor, currency), ("Hard limit", answer.hard_limit_minor, currency),
        ),
        rates=answer.rates,
        note=f"The credit service keeps these limits in {answer.kept_in}."
        if answer.kept_in and answer.kept_in != currency
        else "",
    )  # fmt: skip


def _limit(connection: str, request: CreditRequest, answer: CreditDecision) -> Blocker:
    """The amount is part of the condition: a limit that was raised may still be too low for this deal."""
    amount = Money(answer.committed_minor + answer.requested_minor, answer.currency).decimal()
    return Blocker(
        connection=connection, object_type="credit_limit", object_key=request.customer,
        condition=f"under {answer.currency} {amount:f}",
    )  # fmt: skip
