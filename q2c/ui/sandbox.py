"""The sandboxes as their own users see them: what is switched wrong, and the records that such a user may change.

Absent where SANDBOX_URL is empty. Everything happens in the sandbox, over its control address; q2c itself learns of it
as it would in life, from the platform.
"""

from __future__ import annotations

import datetime as dt
import functools
from typing import Any

from django.conf import settings
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect
from django.shortcuts import render
from django.views.decorators.http import require_POST, require_safe

from q2c.connectors.sandbox_kit.switches import Silent, Switches, SwitchRefused, vendors
from q2c.models import Connection
from q2c.ui import links, sandbox_forms
from q2c.ui.frame import tell
from q2c.ui.parts import Crumb, Tab
from q2c.ui.rights import View, holders, right, words
from q2c.ui.sandbox_words import TOGGLES, kind_words, label

ROWS = 25
# To change records as a user of the platform would; to break it.
USE, _SWITCH = "q2c.use_sandbox", "q2c.change_connection"


def there(view: View) -> View:
    """404 where there are no sandboxes; a page that says so where they are silent."""

    @functools.wraps(view)
    def found(request: HttpRequest, *args: Any, **kwargs: Any) -> Any:
        if not settings.SANDBOX_URL:
            raise Http404("There are no sandboxes here.")
        try:
            return view(request, *args, **kwargs)
        except Silent as silence:
            context = {"why": str(silence), "crumbs": [Crumb("Sandbox switches")]}
            return render(request, "sandbox/silent.html", context, status=503)

    return found


@right(USE)
@there
@require_safe
def index(request: HttpRequest) -> HttpResponse:
    """Every sandbox: its time, what is switched wrong, how much is in it."""
    users = _connections()
    cards = [
        {
            "state": state, "href": links.to("sandbox-vendor", vendor), "connections": users.get(vendor, []),
            "now": dt.datetime.fromisoformat(state["now"]), "count": sum(state["records"].values()),
            "faults": sandbox_forms.in_force(state),
        }
        for vendor in vendors(settings.SANDBOX_URL)
        for state in [switches_of(vendor).state()]
    ]  # fmt: skip
    return render(request, "sandbox/index.html", {"cards": cards, "crumbs": [Crumb("Sandbox switches")]})


@right(USE)
@there
@require_safe
def vendor(request: HttpRequest, vendor: str) -> HttpResponse:
    """The fault switches and the clock of one sandbox."""
    state = state_of(vendor)
    context = {
        "rows": sandbox_forms.switchboard(state),
        "anything": bool(sandbox_forms.in_force(state)),
        "clock": sandbox_forms.clock_value(state),
    }
    if not request.user.has_perm(_SWITCH):
        context["breaks"] = {"words": words(_SWITCH), "holders": holders(_SWITCH)}
    return render(request, "sandbox/switches.html", {**_frame(request, state, ""), **context})


@right(USE)
@there
@require_safe
def records(request: HttpRequest, vendor: str, kind: str) -> HttpResponse:
    """The records of one kind, as a user of the platform may change them."""
    state = state_of(vendor)
    if kind not in (*state["editable"], *state["acts"]):
        raise Http404(f"{kind} cannot be edited in this sandbox.")
    find, skip = request.GET.get("find", "").strip(), _number(request.GET.get("skip", ""))
    total, found = switches_of(vendor).some(kind, find, skip, ROWS)
    words, fields = kind_words(vendor, kind), state["editable"].get(kind, {"fields": []})["fields"]
    verbs = state["acts"].get(kind, [])
    here = functools.partial(links.to, "sandbox-records", vendor, kind, find=find)
    context = {
        "words": words, "kind": kind, "find": find, "total": total, "first": skip + 1, "last": skip + len(found),
        "rows": [sandbox_forms.row(n, record, fields, words) for n, record in enumerate(found, start=1)],
        "acting": [sandbox_forms.acting(record, kind, verbs, words) for record in found] if verbs else [],
        "fact_heads": [head for head, _ in sandbox_forms.FACTS.get(kind, ())],
        "heads": [label(field) for field in fields], "typed": not set(fields) <= TOGGLES.keys(),
        "before": here(skip=max(0, skip - ROWS) or "") if skip else "",
        "after": here(skip=skip + ROWS) if skip + len(found) < total else "",
        "here": here(skip=skip or ""),
    }  # fmt: skip
    return render(request, "sandbox/records.html", {**_frame(request, state, kind), **context})


# What is done to them


@right(_SWITCH)
@there
@require_POST
def fault(request: HttpRequest, vendor: str) -> HttpResponse:
    """Switch one wrong, or right again: `off` names it, and * all."""
    switches, back = switches_of(vendor), links.to("sandbox-vendor", vendor)
    off = request.POST.get("off", "")
    if off:
        what = sandbox_forms.said_off(state_of(vendor), off)
        return done(request, back, lambda: switches.clear("" if off == "*" else off), what)
    wrong, wanted = sandbox_forms.fault(request.POST)
    if wrong:
        tell(request, "bad", wrong)
        return HttpResponseRedirect(back)
    what = sandbox_forms.said(state_of(vendor), wanted)
    return done(request, back, lambda: switches.fault(**wanted), what, tone="warn")


@right(_SWITCH)
@there
@require_POST
def clock(request: HttpRequest, vendor: str) -> HttpResponse:
    """Move its clock; empty is the machine's own time."""
    given = request.POST.get("now", "") if "move" in request.POST else ""
    moment = sandbox_forms.instant(given)
    if given and moment is None:
        tell(request, "bad", "That is no time.", "Write it as 2026-03-01T09:00, in UTC.")
        return HttpResponseRedirect(links.to("sandbox-vendor", vendor))
    said = f"It is {given.replace('T', ' ')} UTC there." if moment else "It has the machine's own time again."
    return done(request, links.to("sandbox-vendor", vendor), lambda: switches_of(vendor).move_clock(moment), said)


@right(USE)
@there
@require_POST
def change(request: HttpRequest, vendor: str, kind: str) -> HttpResponse:
    """Change fields of one record."""
    state, switches = state_of(vendor), switches_of(vendor)
    fields = state["editable"].get(kind, {}).get("fields")
    if fields is None:
        raise Http404(f"{kind} cannot be edited in this sandbox.")
    back = back_to(request, links.to("sandbox-records", vendor, kind))
    key = request.POST.get("key", "").strip()
    if not key:
        tell(request, "bad", "Nothing was changed.", "The form names no record; reload the page and change it there.")
        return HttpResponseRedirect(back)
    try:
        record = switches.record(kind, key)
        changed = sandbox_forms.changes(request.POST, record["body"], fields)
    except (Silent, sandbox_forms.Wrong) as error:
        if isinstance(error, Silent):
            raise
        tell(request, "bad", "Nothing was changed.", str(error))
        return HttpResponseRedirect(back)
    except SwitchRefused as refused:
        tell(request, "bad", "Nothing was changed.", str(refused))
        return HttpResponseRedirect(back)
    if not changed:
        tell(request, "busy", "Nothing to change: it is so already.")
        return HttpResponseRedirect(back)
    words = kind_words(vendor, kind)
    said = f"{words.name_of(record)}: {words.said(changed)} in {state['title']}."
    act = functools.partial(switches.change, kind, record["id"], changed)
    return done(request, back, act, said, then=words.then(changed))


def done(
    request: HttpRequest, back: str, act: Any, happened: str, *, tone: str = "good", then: str = ""
) -> HttpResponse:
    """Do it, say what came of it, and show the page again."""
    try:
        act()
    except Silent:
        raise
    except SwitchRefused as refused:
        tell(request, "bad", "Nothing was changed.", str(refused))
    else:
        tell(request, tone, happened, then, href=links.to("queue") if then else "", link="Queue")
    return HttpResponseRedirect(back)


# What they have in common


@functools.lru_cache(maxsize=32)
def _opened(url: str, vendor: str, time_limit_s: float) -> Switches:
    return Switches(url, vendor, time_limit_s=time_limit_s)


def switches_of(vendor: str, time_limit_s: float = 10) -> Switches:
    return _opened(settings.SANDBOX_URL, vendor, time_limit_s)


def state_of(vendor: str) -> dict[str, Any]:
    """Raises Http404 for a vendor without a sandbox."""
    if vendor not in vendors(settings.SANDBOX_URL):
        raise Http404(f"There is no sandbox of {vendor}.")
    return switches_of(vendor).state()


def _frame(request: HttpRequest, state: dict[str, Any], kind: str) -> dict[str, Any]:
    """Title, way back, tabs: the switches, then each kind of record that may be edited."""
    name, faults = state["vendor"], sandbox_forms.in_force(state)
    tabs = [Tab("Switches", links.to("sandbox-vendor", name), len(faults), current=not kind)]
    tabs += [
        Tab(
            kind_words(name, each).title, links.to("sandbox-records", name, each), state["records"].get(each, 0),
            current=each == kind,
        )
        for each in (*state["editable"], *state["acts"])
    ]  # fmt: skip
    return {
        "state": state, "now": dt.datetime.fromisoformat(state["now"]), "faults": faults, "tabs": tabs,
        "connections": _connections().get(name, []), "vendor": name, "runs": sandbox_forms.runs(state),
        "crumbs": [Crumb("Sandbox switches", links.to("sandbox")), Crumb(state["title"])],
    }  # fmt: skip


def _connections() -> dict[str, list[str]]:
    """Names of our connections by the sandbox they reach."""
    found: dict[str, list[str]] = {}
    rows = Connection.objects.filter(base_url__startswith="sandbox://").order_by("name")
    for name, base_url in rows.values_list("name", "base_url"):
        vendor = base_url.removeprefix("sandbox://").partition("/")[0]
        found.setdefault(vendor, []).append(name)
    return found


def _number(text: str) -> int:
    return int(text) if text.isascii() and text.isdigit() and len(text) < 9 else 0


def back_to(request: HttpRequest, page: str) -> str:
    """The page the person was on, with its search; nothing but a page of this kind."""
    given = request.POST.get("back", "")
    return given if given.partition("?")[0] == page else page


def back_within(request: HttpRequest, vendor: str) -> str:
    """The page of this sandbox that the person was on, with its search, or its first one."""
    first, given = links.to("sandbox-vendor", vendor), request.POST.get("back", "")
    return given if given.startswith(f"{first}/") else first
