"""What the credit and the tax service are asked about a deal, and what their answers mean for it."""

from __future__ import annotations

import datetime as dt
import re
from collections import Counter
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

import msgspec

from q2c import clock, keys
from q2c.connectors import http
from q2c.connectors.outcomes import Outcome, Posted, Rejected, Unavailable
from q2c.contracts.documents import CreditRequest, InvoiceGroup, OrderDocument, TaxRequest
from q2c.reasons import Reason
from q2c.stages import owing
from q2c.stages.controls.world import World
from q2c.stages.verb import Finding, OpenPort, Work

ASKED_AT_ONCE = 8
# In the proof of a step that waits for another question about credit.
ASKED_AGAIN = "asked_again"
# It is asked again at once, unless the workers stand still.
TAX_HOLDS = dt.timedelta(minutes=10)
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
    by payer, what it would owe beside its soft limit, credits: by payer, what was said of it, told: of credit and tax
    what is answered whole. Tax is not asked where the notes have it (`tax_kept`).

    What is wrong with the connection (silence, credentials) is the outcome, since it says nothing about the deal.
    """
    notes.setdefault("answered", set())
    return _ask_credit(open_port, wanted, found, notes) or _ask_tax(open_port, order, wanted, found, notes)


def _ask_credit(
    open_port: OpenPort, wanted: Questions, found: list[Finding], notes: dict[str, Any]
) -> Unavailable | Rejected | None:
    for credit in wanted.credits:
        answer = open_port(wanted.credit).check_credit(credit)
        if _is_no_answer(answer):
            notes["silent"] = wanted.credit
            return answer
        notes["answered"].add(wanted.credit)
        said = owing.said_of(wanted.credit, credit, answer)
        owing.note(notes, said)
        found.extend(said.findings)
    notes["told"] = ["credit"] if wanted.credits else []
    return None


def _ask_tax(
    open_port: OpenPort, order: OrderDocument, wanted: Questions, found: list[Finding], notes: dict[str, Any]
) -> Outcome:
    kept = _tax_kept(wanted, notes)
    taxes, by_line = kept or (Counter(), {})
    for position, request in () if kept else wanted.taxes:
        answer = open_port(wanted.tax).estimate(request)
        if _is_no_answer(answer):
            notes["silent"] = wanted.tax
            return answer
        notes["answered"].add(wanted.tax)
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


def keep_for_next(work: Work, *, is_no: bool) -> None:
    """Credit is asked again at once, of a deal that it said no to or not; what tax said of it holds so long."""
    taxes = None
    if "taxes" in work.notes and not any(one.reason == Reason.TAX_REFUSED for one in work.notes["found"]):
        by_line = [[line, minor] for line, minor in work.notes.get("line_taxes", {}).items()]
        taxes = {"of": _digest(work.request), "currencies": work.notes["taxes"], "lines": by_line}
    work.step.proof[ASKED_AGAIN] = {"at": clock.now().isoformat(), "is_no": is_no, "taxes": taxes}


def recall(work: Work) -> None:
    """What keep_for_next kept, as notes: said_no, tax_kept."""
    if kept := work.step.proof.pop(ASKED_AGAIN, None):
        work.notes["said_no"] = kept["is_no"]
        if clock.now() - dt.datetime.fromisoformat(kept["at"]) < TAX_HOLDS:
            work.notes["tax_kept"] = kept["taxes"]


def _tax_kept(wanted: Questions, notes: Mapping[str, Any]) -> tuple[Counter[str], dict[int, int]] | None:
    """By currency and by line, where the same was asked."""
    kept = notes.get("tax_kept")
    if not kept or kept["of"] != _digest(wanted):
        return None
    return Counter(kept["currencies"]), dict(kept["lines"])


def _digest(wanted: Questions) -> str:
    return keys.fingerprint(msgspec.json.encode([wanted.tax, wanted.taxes])).hex()


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
