"""Where an invoice belongs that came and cannot be read: as far as it is known, and nothing made up.

Each part of it counts that is one by itself; the rest is as the same document is booked, or came before. What says the
same as a case that somebody works on, or that two people gave up, is told by that one.
"""

from __future__ import annotations

import uuid
from collections.abc import Collection, Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from typing import Any

import msgspec
from django.db.models.fields.json import KeyTextTransform

from exceptions import timeline
from exceptions.failures import RawItem
from exceptions.models import Case
from exceptions.models.case import UNRESOLVED, called
from exceptions.raw import TOTAL, open_raw
from ledger.models import LegalEntity
from q2c import bulk, keys
from q2c.connectors.outcomes import About
from q2c.contracts.documents import InvoiceDocument, Key
from q2c.models import Invoice, Order, Step
from q2c.money import EXPONENTS, Money
from q2c.stages import not_theirs
from q2c.stages.fiscal import periods_on
from q2c.stages.sides import Books, books_of
from q2c.stages.taken_back_there import CANCELLED, all_booked_as, periods_of
from q2c.stages.verb import Differs
from q2c.stages.versions import invoice_key

_PARTS = {
    field.name: field.type
    for field in msgspec.structs.fields(InvoiceDocument)
    if field.name
    in ("invoice_number", "billing_reference", "order_number", "legal_entity", "currency", "issued_on", "total_minor")
}

# In the context of a case: the day of what could not be read.
DATED = "dated"
_DATED = KeyTextTransform("issued_on", "event__payload")
# Of cases that were given up those that tell what is so still: nothing of the document came since, whether it could be
# read or not, nor can be read as it was before, and its source has not taken it back.
_STANDING = """
SELECT c.id FROM unnest(%s::uuid[], %s::text[], %s::text[]) AS g(id, called, order_key)
JOIN exceptions_case c ON c.id = g.id
WHERE NOT EXISTS (SELECT FROM exceptions_caseevent t WHERE t.case_id = c.id
                  AND t.kind IN ('taken_back', 'readable_again'))
  AND NOT EXISTS (SELECT FROM q2c_step s JOIN q2c_event e ON e.id = s.event_id
                  WHERE s.stage = 'record_invoice' AND s.order_key = g.order_key AND e.received_at > c.opened_at)
  AND NOT EXISTS (SELECT FROM exceptions_case n
                  WHERE n.source = c.source AND n.raw_hash IS NOT NULL AND n.number > c.number
                  AND (n.business_key = g.called OR n.context @> jsonb_build_object('reference', g.called))
                  AND coalesce(n.context ->> 'source', n.source) = coalesce(c.context ->> 'source', c.source)
                  AND coalesce(n.context ->> 'reference', n.business_key) = g.called)
"""
_GIVEN_UP = """
SELECT c.id FROM unnest(%s::text[]) AS g(reference) JOIN exceptions_case c ON c.raw_hash IS NOT NULL
AND (c.business_key = g.reference OR c.context @> jsonb_build_object('reference', g.reference))
WHERE c.source = %s::text AND c.state = 'closed_without_fix' AND c.step_id IS NULL AND c.code <> %s::text
  AND coalesce(c.context ->> 'reference', c.business_key) = g.reference
"""
# On the timeline of a case that was given up: its source says what it said before, and that can be read.
READABLE_AGAIN = "readable_again"


@dataclass(frozen=True, slots=True)
class Unread:
    """`reference` is what `source` calls the invoice in all of its versions; empty where that cannot be read."""

    source: str
    reference: str
    about: About


@dataclass(frozen=True, slots=True)
class _Known:
    """What is here of some invoices; of each by (source, reference), orders by number, days by step, periods by
    invoice or day."""

    booked: Mapping[tuple[str, str], Invoice]
    booked_in: Mapping[uuid.UUID, str]
    books: Mapping[uuid.UUID, Books]
    earlier: Mapping[str, Step]
    days: Mapping[uuid.UUID, str]
    orders: Mapping[str, Order]
    entities: Collection[str]
    periods: Mapping[tuple[str, Any], str]


def read(source: str, document: Any) -> Unread:
    """What can be read of a document that as a whole is no invoice."""
    found: dict[str, Any] = {}
    for name, type_ in _PARTS.items():
        with suppress(msgspec.ValidationError, AttributeError, KeyError, TypeError):
            found[name] = msgspec.convert(document[name], type_)
    has_worth = "total_minor" in found and found.get("currency") in EXPONENTS
    about = About(
        number=found.get("invoice_number", ""),
        order_number=found.get("order_number", ""),
        entity=found.get("legal_entity", ""),
        issued_on=found.get("issued_on"),
        amount_minor=found["total_minor"] if has_worth else None,
        currency=found["currency"] if has_worth else "",
    )
    return Unread(source, found.get("billing_reference", ""), about)


def placed(items: Sequence[RawItem], them: Sequence[Unread]) -> list[RawItem]:
    """The items with the number, customer, entity, period and amount of what each is about. Nine statements."""
    known = _known(them)
    found = [_placed(item, one, known) for item, one in zip(items, them, strict=True)]
    refused = {(item.entity, item.business_key) for item in found if item.code == not_theirs.FORBIDDEN}
    booked = not_theirs.booked(refused)
    return [_claiming_nothing(item) if (item.entity, item.business_key) in booked else item for item in found]


def _claiming_nothing(item: RawItem) -> RawItem:
    """Of what is booked, said by a system that may not tell it: its own is told beside what is booked already."""
    if item.code != not_theirs.FORBIDDEN or item.amount_minor is None or TOTAL in item.context:
        return item
    return replace(item, amount_minor=0, context={TOTAL: item.amount_minor, **item.context})


def _placed(item: RawItem, one: Unread, known: _Known) -> RawItem:
    about = one.about
    booked = known.booked.get((one.source, one.reference))
    earlier = known.earlier.get(invoice_key(one.source, one.reference)) if one.reference else None
    order = known.orders.get(about.order_number)
    entity = about.entity if about.entity in known.entities else ""
    period = known.periods.get((about.entity, about.issued_on), "")
    customer, its_day = order.customer_name if order is not None else "", ""
    if booked is not None:
        entity, period, customer = booked.entity, known.booked_in[booked.id], booked.customer_name
    elif not period and earlier is not None:
        entity, period, customer = earlier.entity, earlier.period, earlier.customer
        its_day = known.days[earlier.id]
    number = _key(about.number) or (booked.number if booked is not None else "") or one.reference
    journey = booked.correlation_id if booked is not None else order.correlation_id if order is not None else None
    more = {"type": "InvoiceIssued", "reference": one.reference, "order": order.number if order is not None else ""}
    if booked is not None:
        item, about = _beside(item, about, booked, known.books[booked.id])
    elif entity and (dated := its_day or (about.issued_on.isoformat() if about.issued_on is not None else "")):
        # By this its case follows the calendar of its legal entity (q2c_place_invoices).
        more[DATED] = dated
    return replace(
        item,
        business_key=number or item.business_key,
        entity=entity,
        period=period,
        customer=customer,
        amount_minor=about.amount_minor,
        currency=about.currency,
        correlation_id=journey or item.correlation_id,
        context={**item.context, **{name: text for name, text in more.items() if text}},
    )


def _beside(item: RawItem, about: About, booked: Invoice, books: Books) -> tuple[RawItem, About]:
    """Of what is booked it is worth what the books would change by: all of it stands there already."""
    if about.amount_minor is None:
        return item, about
    context: dict[str, Any] = {**item.context, TOTAL: about.amount_minor}
    now, there = Money(about.amount_minor, about.currency), Money(booked.total_minor, booked.currency)
    if books.total == booked.total_minor:
        (entity, period), wrong = (
            books.booked_in,
            {"reason": str(item.reason), "text": item.text, "pointer": item.field},
        )
        differs = Differs(there, now, entity=entity, booked_in=period, now_in=period)
        first, *others = item.context.get("findings") or [{**wrong, "seen": None, "remedy": ""}]
        context["findings"] = [{**first, "differs": msgspec.to_builtins(differs)}, *others]
    more = now.minor - books.total if now.currency == there.currency else None
    return replace(item, context=context), replace(about, amount_minor=more)


def _known(them: Sequence[Unread]) -> _Known:
    booked = all_booked_as({(one.source, one.reference) for one in them if one.reference})
    versions = [invoice_key(one.source, one.reference) for one in them if one.reference]
    rows = Step.objects.filter(stage="record_invoice", order_key__in=versions).annotate(dated=_DATED).order_by("seq")
    earlier = list(rows)
    orders = Order.objects.filter(number__in={one.about.order_number for one in them} - {""}).defer("document")
    entities = LegalEntity.objects.filter(code__in={one.about.entity for one in them})
    days = {(one.about.entity, one.about.issued_on) for one in them if one.about.issued_on is not None}
    invoices = list({one.id: one for one in booked.values()}.values())
    return _Known(
        booked,
        periods_of(invoices),
        books_of(invoices),
        {step.order_key: step for step in earlier},
        {step.id: step.dated or "" for step in earlier},
        {order.number: order for order in orders},
        set(entities.values_list("code", flat=True)),
        periods_on(days),  # type: ignore[arg-type]
    )


def is_open(bad: RawItem) -> bool:
    """Whether somebody's case says the same of it: asked again, it is no new failure, whoever works on the case."""
    same = Case.objects.filter(called([bad.called[:80]]), source=bad.source[:60])
    same = same.filter(entity=bad.entity, period=bad.period, currency=bad.currency, amount_minor=bad.amount_minor)
    # What is to be done about one that was cancelled depends on its journal, which goes its way.
    same = same.filter(code=CANCELLED) if bad.code == CANCELLED else same.filter(text=bad.text)
    return same.filter(state__in=UNRESOLVED).exists()


def is_told(bad: RawItem) -> bool:
    """Whether a case that somebody works on, or that was given up, says the same: touched there, it is nothing new."""
    if is_open(bad):
        return True
    same = Case.objects.filter(called([bad.called[:80]]), source=bad.source[:60], state="closed_without_fix")
    return any(_says(case, bad) for case in standing(same.exclude(code=CANCELLED)))


def _says(case: Case, bad: RawItem) -> bool:
    """Cases of before versions were kept say it in words and in worth."""
    if "version" in case.context:
        return bool(case.context["version"] == bad.context.get("version"))
    worth = case.entity, case.period, case.amount_minor, case.currency
    is_worth = worth == (bad.entity, bad.period, bad.amount_minor, bad.currency)
    return is_worth and bad.text == case.text


def total(case: Case) -> int | None:
    """What could be read of the total, in minor units; what its case is worth is less, where it is booked."""
    return case.context.get(TOTAL, case.amount_minor)


def standing(cases: Iterable[Case]) -> list[Case]:
    """Of cases of what came in unreadable those that tell what is so still: somebody's, and what was given up."""
    ended = {case.id: case for case in cases if case.state == "closed_without_fix"}
    rows = [(case.id, case.called, invoice_key(case.told_by, case.called)) for case in ended.values()]
    stand = bulk.execute(_STANDING, [list(column) for column in zip(*rows, strict=True)]) if rows else ()
    there = {id_ for (id_,) in stand}
    return [case for case in cases if case.state in UNRESOLVED or case.id in there]


def open_each(told: Mapping[int, RawItem], invoices: Collection[int], actor: str) -> list[uuid.UUID | None]:
    """A case each of what systems sent, in order; for an invoice that comes as it was given up, the case of that."""
    found = _sent_again({i: told[i] for i in invoices}, actor)
    fresh = [i for i in told if i not in found]
    found |= dict(zip(fresh, open_raw([told[i] for i in fresh], actor), strict=True))
    return [found[i] for i in told]


def _sent_again(items: Mapping[int, RawItem], actor: str) -> dict[int, uuid.UUID]:
    """Of these, the case in which people gave up the very same bytes, as long as that tells what is so still. Its
    timeline says that they came again."""
    marks = {i: (item.source[:60], keys.fingerprint(item.body)) for i, item in items.items()}
    if not marks:
        return {}
    named = Case.objects.filter(called({item.called[:80] for item in items.values()}), state="closed_without_fix")
    same = named.filter(
        source__in={source for source, _ in marks.values()}, raw_hash__in=[m for _, m in marks.values()]
    )
    given_up = {(case.source, bytes(case.raw_hash or b"")): case.id for case in standing(same.defer("haystack"))}
    found = {i: given_up[mark] for i, mark in marks.items() if mark in given_up}
    timeline.record([(case_id, "failed_again", "sent again unchanged", {}) for case_id in found.values()], actor)
    return found


def readable_again(source: str, references: Collection[str], actor: str) -> None:
    """These are given as they were before, so nothing of them comes anew: what was given up of them says so, once."""
    found = bulk.execute(_GIVEN_UP, [list(references), source[:60], CANCELLED]) if references else ()
    given_up = standing(Case.objects.filter(id__in=[id_ for (id_,) in found]).defer("haystack")) if found else ()
    told = f"{source} gives it so that it can be read, as it did before"
    timeline.record([(case.id, READABLE_AGAIN, told, {}) for case in given_up], actor)


def _key(text: str) -> str:
    """A number as numbers are; empty where it is none."""
    with suppress(msgspec.ValidationError):
        return msgspec.convert(text, Key)
    return ""
