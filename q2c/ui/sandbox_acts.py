"""What a user of a platform does to a whole record in its sandbox: void an invoice, cancel a subscription.

It goes through the sandbox's own verb, as its control address does, so the platform tells of it as it would in life.
"""

from __future__ import annotations

import functools

from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect
from django.views.decorators.http import require_POST

from q2c.ui import formats, links, sandbox, sandbox_forms
from q2c.ui.frame import tell
from q2c.ui.rights import right
from q2c.ui.sandbox_words import act_words


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
        wrong = "" if day else f"{words.day} is missing or no date; write it like 2026-10-31."
    if wrong:
        tell(request, "bad", "Nothing was changed.", wrong)
        return HttpResponseRedirect(back)
    if day is not None:
        wanted["on"] = day.isoformat()
    did = words.did.format(on=formats.day_text(day) if day else "")
    done = functools.partial(sandbox.switches_of(vendor).act, verb, wanted)
    return sandbox.done(request, back, done, f"{key}: {did} in {state['title']}.", then=words.then)
