"""What a user of a platform does in its sandbox: to a whole record, as to void an invoice, or for all, as to bill.

It goes through the sandbox's own verb, as its control address does, so the platform tells of it as it would in life.
"""

from __future__ import annotations

import datetime as dt
import functools

from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect
from django.views.decorators.http import require_POST

from q2c import clock
from q2c.connectors.sandbox_kit.switches import Silent, SwitchRefused
from q2c.ui import formats, links, sandbox, sandbox_forms
from q2c.ui.frame import tell
from q2c.ui.rights import right
from q2c.ui.sandbox_words import act_words, run_words

# A run up to a day far ahead would bill for minutes.
_AHEAD_DAYS_MAX = 366


@right(sandbox.USE)
@sandbox.there
@require_POST
def act(request: HttpRequest, vendor: str, kind: str) -> HttpResponse:
    """One verb on one record, by its number."""
    state, verb = sandbox.state_of(vendor), request.POST.get("verb", "")
    if verb not in state["acts"].get(kind, ()):
        raise Http404(f"{kind} takes no {verb or 'verb'} in this sandbox.")
    back = sandbox.back_to(request, links.to("sandbox-records", vendor, kind))
    key, words = request.POST.get("key", "").strip(), act_words(verb)
    wanted, wrong = {"number": key}, "" if key else "The form names no record; reload the page and do it there."
    day = sandbox_forms.day(request.POST.get("on", "")) if words.day else None
    if words.day and not wrong:
        wrong = "" if day else f"{words.day} is missing or no date; choose one."
    if wrong:
        tell(request, "bad", "Nothing was changed.", wrong)
        return HttpResponseRedirect(back)
    if day is not None:
        wanted["on"] = day.isoformat()
    did = words.did.format(on=formats.day_text(day) if day else "")
    done = functools.partial(sandbox.switches_of(vendor).act, verb, wanted)
    return sandbox.done(request, back, done, f"{key}: {did} in {state['title']}.", then=words.then)


@right(sandbox.USE)
@sandbox.there
@require_POST
def run(request: HttpRequest, vendor: str) -> HttpResponse:
    """What the whole platform does up to a day, such as to bill."""
    state, verb = sandbox.state_of(vendor), request.POST.get("verb", "")
    if verb not in state["runs"]:
        raise Http404(f"This sandbox runs no {verb or 'verb'}.")
    back, words = sandbox.back_within(request, vendor), run_words(verb)
    until, last = sandbox_forms.day(request.POST.get("until", "")), _last_day(state["now"])
    if until is None or until > last:
        wrong = f"{words.label}: choose a day, at the latest {formats.day_text(last)}."
        tell(request, "bad", "Nothing was changed.", wrong)
        return HttpResponseRedirect(back)
    try:
        came = sandbox.switches_of(vendor, time_limit_s=90).act(verb, {"until": until.isoformat()})
    except Silent:
        raise
    except SwitchRefused as refused:
        tell(request, "bad", "Nothing was changed.", str(refused))
        return HttpResponseRedirect(back)
    said, then = words.came(came)
    did = words.did.format(until=formats.day_text(until))
    link = links.to("invoices") if then else ""
    tell(request, "good", f"{state['title']}: {did}; {said}.", then, href=link, link="Invoices")
    return HttpResponseRedirect(back)


def _last_day(now: str) -> dt.date:
    return dt.datetime.fromisoformat(now).date() + clock.days(_AHEAD_DAYS_MAX)
