"""What differs from billing or the ledger in one month of one legal entity, each one by itself."""

from __future__ import annotations

from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import render
from django.views.decorators.http import require_safe

from ledger.models import FiscalPeriod
from q2c.reading import close, decided_items, given_up, unbooked
from q2c.reading.differences import Sums
from q2c.ui import decided, story
from q2c.ui.rights import right

# Of each kind, so many stand on the page.
_SHOWN = 500


@require_safe
@right("q2c.view_step")
def of_month(request: HttpRequest, entity: str, period: str) -> HttpResponse:
    """All that the tower and the close count, open or settled, with or without a case, as this person may see it.

    Beside them what was re-dated, or reversed in another month, by decision, and what came and is still to be booked:
    with these they come to billing less books.
    """
    found = given_up.by_month(request.user, [(entity, period)]).get((entity, period), Sums())
    settled = decided_items.by_month(request.user, [(entity, period)]).get((entity, period))
    to_book = unbooked.by_month(request.user, [(entity, period)], close.NOT_POSTED)[entity, period]
    if not (found.kinds or settled or FiscalPeriod.objects.filter(entity__code=entity, name=period).exists()):
        raise Http404
    context = {
        "entity": entity, "period": period, "kinds": story.rows_of(found, _SHOWN),
        "decided": decided.rows(settled, _SHOWN), "to_book": to_book,
    }  # fmt: skip
    return render(request, "control_tower/differences.html", context)
