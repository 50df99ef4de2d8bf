"""What the credit service's answers mean for a deal: what a payer would owe beside its limits."""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from decimal import Decimal
from typing import Any, Final, Literal

from msgspec import structs

from ledger import fx
from q2c import clock
from q2c.connectors.outcomes import Blocker, Rejected
from q2c.contracts.documents import CreditDecision, CreditRequest
from q2c.money import Money, converted
from q2c.reasons import Reason
from q2c.stages.verb import Finding, Measure

DECISIONS: Final = ("approve", "refer", "decline")


@dataclass(frozen=True, kw_only=True, slots=True)
class CreditSaid:
    """What the credit service, a connection, said of one payer, and the findings that it comes to."""

    connection: str
    request: CreditRequest
    answer: CreditDecision | Rejected
    findings: Sequence[Finding]


def said_of(connection: str, request: CreditRequest, answer: CreditDecision | Rejected) -> CreditSaid:
    findings = _found(connection, request, answer)
    return CreditSaid(connection=connection, request=request, answer=answer, findings=findings)


def note(notes: dict[str, Any], said: CreditSaid) -> None:
    """Beside what was said of other payers of the deal: credits and owed, by payer."""
    payer, answer = said.request.customer, said.answer
    notes["credits"] = {**notes.get("credits", {}), payer: said}
    if isinstance(answer, CreditDecision):
        notes["owed"] = {**notes.get("owed", {}), payer: _measured(said.request, answer, answer.soft_limit_minor)}


def _found(connection: str, request: CreditRequest, answer: CreditDecision | Rejected) -> list[Finding]:
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


def restated(said: CreditSaid, committed: tuple[tuple[str, int], ...]) -> CreditSaid | None:
    """What the service would say with that committed instead, (currency, minor units), by the rule of its contract.

    None where its figures do not tell: it decided otherwise than by them, or would have to convert.
    """
    told, now = dict(said.request.committed), dict(committed)
    if isinstance(said.answer, Rejected):
        # On hold, or unknown: whatever is committed, unless in a currency that was the reason.
        return said if told.keys() <= {said.request.currency, *dict(said.request.further), *now} else None
    own = said.answer.currency
    further_moved = {one for one in told.keys() | now.keys() if told.get(one, 0) != now.get(one, 0)} - {own}
    if further_moved or said.answer.decision != _by_limits(said.answer):
        return None
    more_minor = now.get(own, 0) - told.get(own, 0)
    answer = structs.replace(said.answer, committed_minor=said.answer.committed_minor + more_minor)
    answer = structs.replace(answer, decision=_by_limits(answer))
    return said_of(said.connection, structs.replace(said.request, committed=committed), answer)


def _by_limits(answer: CreditDecision) -> Literal["approve", "refer", "decline"]:
    if answer.would_owe_minor > answer.hard_limit_minor:
        return "decline"
    return "approve" if answer.would_owe_minor <= answer.soft_limit_minor else "refer"


def is_loosened(was: CreditSaid, now: CreditSaid) -> bool:
    """Whether more may be sold now than the service's own word would have let."""
    words = [one.answer.decision for one in (was, now) if isinstance(one.answer, CreditDecision)]
    return len(words) == 2 and DECISIONS.index(words[1]) < DECISIONS.index(words[0])


def say_instead(notes: dict[str, Any], was: CreditSaid, now: CreditSaid) -> None:
    """Among what was found, where the old stood: before what tax says. What stood there before is left as it was."""
    found: list[Finding] = notes["found"]
    left = [finding for finding in found if finding not in was.findings]
    at = next((i for i, one in enumerate(found) if one in was.findings or one.reason == Reason.TAX_REFUSED), len(left))
    notes["found"] = [*left[:at], *now.findings, *left[at:]]
    note(notes, now)


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
