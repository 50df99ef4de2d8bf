"""One list page for every noun of the flow: tabs by state, filters, sort, keyset pages, sums, CSV."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any
from urllib.parse import urlencode

from django.db.models import F, QuerySet
from django.http import HttpRequest, QueryDict
from django.http.response import HttpResponseBase
from django.shortcuts import render

from exceptions.sentences import listed
from ledger.models import LegalEntity
from q2c.models import Tally
from q2c.money import Money
from q2c.reading import fiscal, tallies, wanted
from q2c.reading.wanted import Wanted
from q2c.ui import csv, formats, lists, words
from q2c.ui.parts import Chip, Reversals, Tab, apart, reversals

# By state: what ended of records that go on, as (minor units, currency).
Cut = Mapping[str, Sequence[tuple[int, str]]]


@dataclass(frozen=True, kw_only=True, slots=True)
class Listing:
    """What makes the list of one noun. `rows` turns a page of records into what the template shows to a person.

    Records in a state of `undone` are listed with the others, and left out of what all are worth, which says so
    (`without`); of those in `turned` too, but what they and their mirror entries come to is told beside it; of those in
    `ended` what they were (`ended_as`), and with it what ended of those that go on: `cut` says how much, of all that is
    found, and `filed` adds to each row of the file what its columns want of that. `worth` and `mirrored` are what
    tallies.counted asks for; `tallied` the filters that the tally answers. Where `sources` names who told of the
    records, it is a filter.
    """

    noun: str
    template: str
    states: tuple[str, ...]
    found: Callable[[Any, Wanted], QuerySet[Any]]
    sorts: Mapping[str, str]
    default: str
    columns: Sequence[csv.Column]
    rows: Callable[[Any, Sequence[Any]], list[Any]] = lambda user, page: list(page)
    worth: Any = "total_minor"
    mirrored: Any = None
    tallied: tuple[str, ...] = ("entity", "currency")
    undone: tuple[str, ...] = ()
    turned: tuple[str, ...] = ()
    ended: tuple[str, ...] = ()
    without: str = ""
    ended_as: str = ""
    cut: Callable[[QuerySet[Any]], Cut] = lambda found: {}
    filed: Callable[[QuerySet[Any]], QuerySet[Any]] = lambda found: found
    sources: Callable[[], list[str]] | None = None


# What may stand in the address besides the page, in the order in which the chips say it.
_ASKED = ("q", "entity", "currency", "source", "period", "since", "until")
_LABELS = {"q": "search", "source": "told by", "since": "from", "until": "to"}


def show(request: HttpRequest, listing: Listing, **more: Any) -> HttpResponseBase:
    """The page, or with ?format=csv the file."""
    asked = wanted.read(request.GET, listing.states, sourced=listing.sources is not None)
    found = listing.found(request.user, asked)
    # A file of more than was asked for would not say so.
    if request.GET.get("format") == "csv" and not asked.wrong:
        return csv.download(f"{listing.noun}s", listing.columns, csv.newest_first(listing.filed(found)))
    everything = tallies.counts(request.user, (listing.noun,)).get(listing.noun, tallies.Count())
    counted = _counted(request.user, listing, asked) if asked.narrows else everything
    if asked.state and not counted.by_state.get(asked.state) and not counted.more:
        # Nothing is searched for that is known not to be there.
        found = found.none()
    page = lists.page_of(request, found, listing.sorts, listing.default)
    cut = {} if counted.more else listing.cut(found)
    sums = _sums(listing, asked, counted, cut)
    context = {
        **more,
        "asked": asked,
        # For an address: of what is not found here.
        "searched": urlencode({"q": asked.q}),
        "page": page,
        "order": page.order,
        "rows": listing.rows(request.user, page.rows),
        "tabs": _tabs(request.GET, listing, asked, counted),
        "chips": _chips(request.GET, asked),
        "clear": _without(request.GET, *_ASKED),
        "export": _with(request.GET, format="csv"),
        # What was undone is worth nothing: its tab says what it was.
        "summed_as": "Amount" if asked.state in listing.undone else "Worth",
        "sums": sums,
        "ended": _ended(listing, asked, counted, cut),
        "ended_states": listed([words.look(state, listing.noun).label for state in listing.ended]),
        "ended_as": listing.ended_as,
        "half_reversed": any(isinstance(one, Reversals) for one in sums),
        "net_of": listing.without if asked.state not in (*listing.undone, *listing.turned, *listing.ended) else "",
        "more_than": tallies.MOST if counted.more else None,
        "entities": list(LegalEntity.objects.order_by("code").values_list("code", "name")),
        "currencies": _currencies(listing.noun),
        "sources": listing.sources() if listing.sources else [],
        "period_names": fiscal.own_names(),
        "kept": [(name, request.GET[name]) for name in ("state", "order") if request.GET.get(name)],
        "there_are": bool(everything.total),
    }
    status = 422 if asked.wrong else 200
    return render(request, listing.template, context, status=status)


def _currencies(noun: str) -> list[str]:
    return list(Tally.objects.filter(noun=noun).order_by("currency").values_list("currency", flat=True).distinct())


def _tabs(query: QueryDict, listing: Listing, asked: Wanted, counted: tallies.Count) -> list[Tab]:
    """All, then each state that has records, with how many of them the filter finds."""
    counts = not counted.more
    shown = [s for s in listing.states if counted.more or counted.by_state.get(s) or s == asked.state]
    tabs = [Tab("All", _with(query, state=""), counted.total if counts else None, not asked.state)]
    tabs += [
        Tab(
            words.look(state, listing.noun).label,
            _with(query, state=state),
            counted.by_state.get(state, 0) if counts else None,
            state == asked.state,
        )
        for state in shown
    ]
    return tabs


def _sums(listing: Listing, asked: Wanted, counted: tallies.Count, cut: Cut) -> list[Money]:
    """What the records of the tab are worth, by currency: charges and credits apart, then what reversals take back of
    others. A journal and its reversal come to nothing where both are among them.
    """
    apart_from = (*listing.undone, *listing.turned, *listing.ended)
    standing = [state for state in counted.sums if state not in apart_from]
    shown = [state for state in (asked.state,) if state not in listing.ended] if asked.state else standing
    taken_out = [(-minor, currency) for state in shown for minor, currency in cut.get(state, ())]
    found = apart([*counted.sums_of(shown), *taken_out], counted.credits_of(shown))
    turned = [] if asked.state else list(listing.turned)
    return [*found, *reversals([*counted.mirrors_of([*shown, *turned]), *counted.sums_of(turned)])]


def _ended(listing: Listing, asked: Wanted, counted: tallies.Count, cut: Cut) -> list[Money]:
    """What the records of the tab were that do not stand any more, by currency."""
    shown = [state for state in listing.ended if asked.state in ("", state)]
    of_others = [pair for pairs in cut.values() for pair in pairs]
    return apart([*counted.sums_of(shown), *of_others], counted.credits_of(shown))


def _counted(user: Any, listing: Listing, asked: Wanted) -> tallies.Count:
    """What the filter finds, by state: of the tally where that knows, else of the records, so many at most."""
    given = {name: getattr(asked, name) for name in _ASKED if getattr(asked, name)}
    if not getattr(user, "reads_only", "") and set(given) <= set(listing.tallied):
        return tallies.counts(user, (listing.noun,), **given).get(listing.noun, tallies.Count())
    every_state = listing.found(user, replace(asked, state=""))
    return tallies.counted(
        every_state, F(listing.worth) if isinstance(listing.worth, str) else listing.worth, listing.mirrored
    )


def _chips(query: QueryDict, asked: Wanted) -> list[Chip]:
    values = {name: getattr(asked, name) for name in _ASKED}
    shown = {
        **values,
        "period": formats.period_text(asked.period),
        "since": formats.day_text(asked.since) if asked.since else "",
        "until": formats.day_text(asked.until) if asked.until else "",
    }
    return [Chip(_LABELS.get(name, name), str(shown[name]), _without(query, name)) for name in _ASKED if values[name]]


def _without(query: QueryDict, *names: str) -> str:
    kept = query.copy()
    for name in (*names, "after", "before", "format"):
        kept.pop(name, None)
    return f"?{kept.urlencode()}"


def _with(query: QueryDict, **values: str) -> str:
    kept = query.copy()
    for name in ("after", "before", "format"):
        kept.pop(name, None)
    for name, value in values.items():
        kept.pop(name, None)
        if value:
            kept[name] = value
    return f"?{kept.urlencode()}"
