"""What differs from billing or the ledger in one month of one legal entity, each one by itself."""

from __future__ import annotations

from typing import Any

from django.db.models import Sum
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import render
from django.views.decorators.http import require_safe

from exceptions.models import Case
from ledger.models import FiscalPeriod
from q2c.engine.unread import total
from q2c.models import Step
from q2c.money import Money
from q2c.reading import close, decided_items, given_up, not_posted, not_read, tie_out, unbooked, unread
from q2c.reading.differences import Sums
from q2c.reading.tie_out import TieOut
from q2c.ui import decided, links, story
from q2c.ui.rights import right

# Of each kind, so many stand on the page.
_SHOWN = 500
# Lines of the tie-out that stand there only with an amount.
_IF_ANY = ("optional", "coming")


@require_safe
@right("q2c.view_step")
def of_month(request: HttpRequest, entity: str, period: str) -> HttpResponse:
    """All that the tower and the close count, open or settled, with or without a case, as this person may see it.

    Beside them what was re-dated, or reversed in another month, by decision, and what came and is still to be booked:
    with these they come to billing less books, which stands above them.
    """
    found = given_up.by_month(request.user, [(entity, period)]).get((entity, period), Sums())
    settled = decided_items.by_month(request.user, [(entity, period)]).get((entity, period))
    to_book = unbooked.by_month(request.user, [(entity, period)], close.NOT_POSTED)[entity, period]
    if not (found.kinds or settled or FiscalPeriod.objects.filter(entity__code=entity, name=period).exists()):
        raise Http404
    sees_all = all(request.user.has_perm(one) for one in ("q2c.view_invoice", "ledger.view_journalentry"))
    tied = tie_out.of_month(request.user, entity, period, found, settled, to_book) if sees_all else []
    context = {
        "entity": entity, "period": period, "kinds": story.rows_of(found, _SHOWN),
        "decided": decided.rows(settled, _SHOWN), "to_book": to_book,
        "not_read": not_read.of_billing(),
        "tied": [_tied(entity, period, one) for one in tied],
        "under_way": any(one.under_way for one in tied),
        "came": _came(request, entity, period) if to_book.invoices else [],
        "came_more": max(0, to_book.invoices - _SHOWN),
        **_not_posted(request, entity, period, found),
        # Billing has it in another currency, or it is not known what it comes to.
        "without_amount": any(one.amount_minor is None for kind in found.kinds for one in found.found[kind]),
    }  # fmt: skip
    return render(request, "control_tower/differences.html", context)


def _tied(entity: str, period: str, one: TieOut) -> dict[str, Any]:
    """The lines of one currency: what stands there, its amount, how it is shown, and where its documents are listed."""
    listed = {f"Told by {it.source}, not known to billing": it for it in one.others}
    lines = [
        ("Billing has", one.billing, ""),
        *((what, it.minor, "optional") for what, it in listed.items()),
        ("Came so that it cannot be read", one.unread, "optional"),
        ("Booked", -one.booked, ""),
        ("Billing less books", one.apart, "sum"),
        ("Differences", one.differences, "signed"),
        ("Decided by two people", one.decided, "signed"),
        ("On its way to be booked", one.under_way, "coming"),
        ("Still to be booked", one.to_book, "signed"),
    ]
    asked = {"entity": entity, "period": period, "currency": one.currency}
    hrefs = {what: links.to("invoices", source=it.source, **asked) for what, it in listed.items() if it.recorded}
    rows = [
        (what, Money(minor, one.currency), how, hrefs.get(what, ""))
        for what, minor, how in lines
        if minor or how not in _IF_ANY
    ]
    return {
        "currency": one.currency, "rows": rows, "left": Money(one.left, one.currency),
        "booked": Money(one.booked, one.currency), "posted": Money(one.posted, one.currency),
        "waiting": Money(one.posted - one.booked, one.currency),
    }  # fmt: skip


def _not_posted(request: HttpRequest, entity: str, period: str, found: Sums) -> dict[str, Any]:
    """What is booked and waits for the ledger; journals that were given up stand among the differences."""
    if not request.user.has_perm("ledger.view_journalentry"):
        return {}
    given_up = [one.number for one in found.found.get("journal", ())]
    entries = not_posted.of_month(request.user, entity, period, given_up)
    sums = entries.order_by().values("currency").annotate(minor=Sum("worth_minor")).order_by("currency")
    shown = not_posted.with_cases(request.user, entity, period, list(entries[:_SHOWN]))
    count = entries.count() if len(shown) == _SHOWN else len(shown)
    return {
        "not_posted": shown, "not_posted_count": count, "not_posted_more": count - len(shown),
        "not_posted_sums": [(row["minor"], row["currency"]) for row in sums],
    }  # fmt: skip


def _came(request: HttpRequest, entity: str, period: str) -> list[dict[str, Any]]:
    """What is still to be booked, the largest first, each with its case."""
    mine = Step.objects.visible_to(request.user).filter(entity=entity, period=period)
    instead = unread.instead(request.user)
    rest = unbooked.came(mine, instead).select_related("event").defer("event__payload")
    steps = list(rest.order_by("-amount_minor")[:_SHOWN])
    cases = Case.objects.visible_to(request.user).filter(step_id__in=[step.id for step in steps])
    by_step = {case.step_id: case for case in cases.defer("haystack")}
    rows = [
        (step.business_key, step.event.source, step.amount_minor or 0, step.currency, by_step.get(step.id))
        for step in steps
    ]
    rows += [
        (case.business_key, case.told_by, total(case) or 0, case.currency, case)
        for case in unread.to_book(instead.values())
        if (case.entity, case.period) == (entity, period)
    ]
    return [
        {
            "number": number, "where": where, "worth": Money(minor, currency) if currency else None, "case": case,
            "href": links.to("case", case.id) if case is not None else "",
        }
        for number, where, minor, currency, case in sorted(rows, key=lambda row: -row[2])[:_SHOWN]
    ]  # fmt: skip
