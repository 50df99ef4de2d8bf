"""Template tags of every page; a builtin, so no page loads it. docs/pages.md shows each with an example.

Formats: money amounts number when age left day period span plain. Parts: icon badge state severity empty tabs chips
facts timeline diff journal payload road flow sparkline columns bars share process_map progress sort pager query_bar
button dialog.
"""

from __future__ import annotations

import functools
import itertools
from collections.abc import Sequence
from decimal import Decimal
from typing import Any

import lucide
from django import template
from django.core.exceptions import ImproperlyConfigured
from django.http import QueryDict
from django.template.loader import render_to_string
from django.utils.html import format_html
from django.utils.safestring import SafeString, mark_safe

from q2c import clock
from q2c.ui import charts, formats, maps, people, rights, words
from q2c.ui import payload as payloads

register = template.Library()
_serial = itertools.count(1)


# Formats ---------------------------------------------------------------------------------------------------------


@register.simple_tag
def money(value: Any, currency: str = "", short: bool = False, sign: bool = False) -> SafeString:
    """{% money line.amount_minor line.currency %} or {% money amount %}; short=True: 1.2m; sign=True: +."""
    return formats.money(value, currency, short=short, sign=sign)


@register.inclusion_tag("parts/amounts.html")
def amounts(values: Sequence[Any], short: bool = False, most: int = 4, sign: bool = False) -> dict[str, Any]:
    """{% amounts sums %}: one line per currency; beyond `most` it says how many more. sign=True: +."""
    values = list(values or ())
    return {"shown": values[:most], "more": max(0, len(values) - most), "short": short, "sign": sign}


@register.filter
def number(value: int | Decimal | None) -> SafeString | str:
    """{{ count|number }}: 1,204 in the reader's format."""
    return formats.NOTHING if value is None or value == "" else formats.number(value)


register.filter("quantity", formats.quantity)
register.filter("key_in", people.key_in)


@register.filter
def rate(value: Decimal) -> str:
    """{{ rate|rate }}: 0.925926, with all that it says up to eight decimals."""
    return formats.rate(value)


@register.filter
def price(value: Any, currency: str) -> str:
    """{{ phase.unit_price|price:group.currency }}: 19.50; the currency's decimals at least."""
    return formats.price(value, currency)


@register.filter
def dates(text: Any) -> str:
    """{{ entry.text|dates }}: days, instants and amounts that a kept sentence holds, as the reader writes them."""
    return formats.dates(str(text or ""))


@register.simple_tag
def when(instant: Any, style: str = "short") -> SafeString:
    """{% when case.opened_at %}; style: short, day, time, full, age. UTC on hover."""
    return formats.when(instant, style)


@register.simple_tag
def age(instant: Any) -> SafeString:
    """{% age case.opened_at %}: 3 h, with the instant on hover."""
    return formats.age(instant)


@register.simple_tag
def left(due: Any, paused: str = "") -> SafeString:
    """{% left case.due_at %}: time left, or how late; `paused` is the reason why the clock stands."""
    if not due:
        return formats.NOTHING
    if paused:
        return badge(f"Paused: {paused}", "quiet", "circle-pause")
    remaining = (due - clock.now()).total_seconds()
    text = formats.span_text(remaining)
    if remaining < 0:
        inner, tone, glyph = f"{text} late", "bad", "octagon-alert"
    else:
        inner, tone, glyph = f"{text} left", "warn" if remaining < 4 * 3600 else "plain", "clock"
    return format_html('<span class="left tone-{}">{}{}</span>', tone, icon(glyph, 14), formats.time_tag(due, inner))


@register.filter
def day(value: Any) -> SafeString:
    """{{ journal.effective_on|day }}: a calendar day."""
    return formats.when(value, "day")


@register.filter
def last_day(value: Any) -> SafeString:
    """{{ phase.ends_on|last_day }}: the last day that counts, of an end that is the first day that no longer does."""
    return formats.when(value - clock.days(1) if value else value, "day")


@register.filter
def period(value: Any) -> str:
    """{{ "2026-10"|period }}: Oct 2026."""
    return formats.period_text(value).replace(" ", "\u00a0") if value else "–"


@register.filter
def span(value: float | None) -> str:
    """{{ duration_s|span }}: 12 min."""
    return "–" if value is None else formats.span_text(value)


@register.filter
def plain(value: Any) -> str:
    """{{ "cost_center"|plain }}: Cost centre."""
    return words.plain(value)


# Signs -----------------------------------------------------------------------------------------------------------


@register.simple_tag
def icon(name: str, size: int = 16, label: str = "") -> SafeString:
    """{% icon "search" %}: an inline Lucide icon; with `label` it speaks, without it is decoration."""
    return _drawn(name + "", size, label + "")


@functools.lru_cache(maxsize=512)
def _drawn(name: str, size: int, label: str) -> SafeString:
    spoken: dict[str, Any] = {"role": "img", "aria_label": label} if label else {"aria_hidden": "true"}
    drawing = lucide._render_icon(name, size, **{"class": "icon", "stroke_width": "1.75", **spoken})
    return mark_safe(drawing)  # noqa: S308  The drawing is the package's own; ElementTree escapes attributes.


@register.simple_tag
def badge(label: Any, tone: str = "quiet", glyph: str = "") -> SafeString:
    """{% badge "Canary" "busy" "flask-conical" %}."""
    drawn = icon(glyph, 12) if glyph else ""
    return format_html('<span class="badge tone-{}">{}<span>{}</span></span>', tone, drawn, label)


@register.simple_tag
def state(value: str, noun: str = "") -> SafeString:
    """{% state order.state "order" %}: word, icon and tone of a state (see words.py)."""
    look = words.look(str(value), noun)
    return badge(look.label, look.tone, look.icon)


@register.simple_tag
def severity(value: str) -> SafeString:
    """{% severity case.severity %}: urgent, high, normal, low, without a frame, for table cells."""
    look = words.look(str(value))
    return format_html(
        '<span class="severity tone-{}">{}<span>{}</span></span>', look.tone, icon(look.icon, 14), look.label
    )


# Parts -----------------------------------------------------------------------------------------------------------

_EMPTY = {
    "clear": ("circle-check", "Nothing has failed", "Everything that arrived has gone through. New cases appear here."),
    "filtered": ("search-x", "Nothing matches this filter", "There are records, but none with these conditions."),
    "forbidden": (
        "lock",
        "You may not see these records",
        "They exist or not; either way your rights do not cover them.",
    ),
    "none": ("inbox", "Nothing here yet", "Records appear here as soon as the first one arrives."),
}


@register.inclusion_tag("parts/empty.html")
def empty(
    kind: str, *, title: str = "", text: str = "", href: str = "", link: str = "", right: str = ""
) -> dict[str, Any]:
    """{% empty "filtered" href="?" link="Clear the filter" %}; kind: clear, filtered, forbidden, none."""
    glyph, default_title, default_text = _EMPTY[kind]
    return {
        "kind": kind,
        "glyph": glyph,
        "title": title or default_title,
        "text": text or default_text,
        "href": href,
        "link": link,
        "missing": right,
        "missing_words": rights.words(right) if right else "",
    }


@register.inclusion_tag("parts/tabs.html")
def tabs(items: Sequence[Any], label: str = "Views") -> dict[str, Any]:
    """{% tabs tabs "Queue" %}: parts.Tab each."""
    return {"items": items, "label": label}


@register.inclusion_tag("parts/chips.html")
def chips(items: Sequence[Any], clear: str = "") -> dict[str, Any]:
    """{% chips filters clear="?" %}: parts.Chip each, each can be taken away."""
    return {"items": items, "clear": clear}


@register.inclusion_tag("parts/facts.html")
def facts(pairs: Sequence[tuple[str, Any]], columns: bool = False) -> dict[str, Any]:
    """{% facts pairs %}: (label, value) each; values may be safe HTML from the tags' functions."""
    return {"pairs": pairs, "columns": columns}


@register.inclusion_tag("parts/timeline.html")
def timeline(entries: Sequence[Any]) -> dict[str, Any]:
    """{% timeline entries %}: parts.Entry each, in the order given."""
    return {"entries": entries}


@register.inclusion_tag("parts/diff.html")
def diff(items: Sequence[Any], before: str = "Before", after: str = "After") -> dict[str, Any]:
    """{% diff changes %}: parts.Change each."""
    return {"items": items, "before": before, "after": after}


@register.inclusion_tag("parts/journal.html")
def journal(preview: Any, caption: str = "Debits and credits") -> dict[str, Any]:
    """{% journal preview %}: a parts.JournalPreview, totals and balance checked."""
    return {"preview": preview, "caption": caption}


@register.inclusion_tag("parts/payload.html")
def payload(document: Any, plain: Sequence[tuple[str, Any]] = (), title: str = "Payload") -> dict[str, Any]:
    """{% payload event.payload plain=pairs %}: what it says, its tree, its raw text."""
    return {"plain": plain, "tree": payloads.tree(document), "raw": payloads.raw(document), "title": title}


@register.simple_tag
def road(noun: str, state: str, small: bool = False, left_at: str = "") -> SafeString:
    """{% road "invoice" invoice.state left_at="recorded" %}: see charts.road()."""
    return charts.road(noun, str(state), small=small, left_at=left_at)


@register.inclusion_tag("parts/flow.html")
def flow(stages: Sequence[Any], label: str = "The flow") -> dict[str, Any]:
    """{% flow stages %}: parts.Stage each, from left to right."""
    return {"stages": stages, "label": label}


@register.simple_tag
def sparkline(values: Sequence[int], title: str) -> SafeString:
    """{% sparkline counts "Cases a day, two weeks" %}."""
    return charts.sparkline(values, title)


@register.simple_tag
def share(parts: Sequence[tuple[str, int]], noun: str = "") -> SafeString:
    """{% share stage.counts "step" %}: one bar divided by state; put the numbers beside it."""
    return charts.share(parts, noun)


@register.simple_tag
def columns(points: Sequence[Any], title: str, value_name: str = "Count", also_name: str = "") -> SafeString:
    """{% columns days "Cases a day" value_name="Resolved" also_name="Opened" %}: parts.Point each."""
    return charts.columns(points, title, value_name=value_name, also_name=also_name)


@register.simple_tag
def bars(points: Sequence[Any], title: str) -> SafeString:
    """{% bars reasons "Open cases by reason" %}: parts.Point each."""
    return charts.bars(points, title)


@register.simple_tag
def process_map(boxes: Sequence[Any], title: str = "The process") -> SafeString:
    """{% process_map boxes %}: maps.Box each."""
    return maps.process_map(boxes, title)


@register.inclusion_tag("parts/progress.html", takes_context=True)
def progress(context: template.Context, work: Any) -> dict[str, Any]:
    """{% progress work %}: a parts.Progress; asks its url again every two seconds until it is finished."""
    return {"work": work, "csrf_token": context.get("csrf_token")}


# Tables ----------------------------------------------------------------------------------------------------------


def _from_its_begin(context: template.Context) -> QueryDict:
    """What is asked for in the address, without how far the list was turned: a copy."""
    query: QueryDict = context["request"].GET.copy()
    for cursor in ("after", "before"):
        query.pop(cursor, None)
    return query


@register.inclusion_tag("parts/sort.html", takes_context=True)
def sort(context: template.Context, key: str, label: str, kind: str = "") -> dict[str, Any]:
    """{% sort "amount" "Amount" "number" %}: a <th> that sorts by ?order=key, then ?order=-key."""
    query = _from_its_begin(context)
    order = query.get("order") or str(context.get("order", ""))
    query["order"] = f"-{key}" if order == key else key
    direction = {key: "ascending", f"-{key}": "descending"}.get(order, "")
    return {"href": f"?{query.urlencode()}", "label": label, "kind": kind, "direction": direction}


@register.inclusion_tag("parts/pager.html", takes_context=True)
def pager(context: template.Context, page: Any) -> dict[str, Any]:
    """{% pager page %}: page.next and page.previous are cursors or empty; page.total may be None."""

    def address(name: str, cursor: str) -> str:
        query = _from_its_begin(context)
        query[name] = cursor
        return f"?{query.urlencode()}"

    following, previous = getattr(page, "next", ""), getattr(page, "previous", "")
    return {
        "page": page,
        "next": address("after", following) if following else "",
        "previous": address("before", previous) if previous else "",
    }


@register.inclusion_tag("parts/query_bar.html", takes_context=True)
def query_bar(
    context: template.Context, complete: str = "", placeholder: str = "", name: str = "q", label: str = "Filter"
) -> dict[str, Any]:
    """{% query_bar complete="/queue/complete" %}: completes keys and values from that JSON address."""
    query = _from_its_begin(context)
    value = query.pop(name, [""])[-1]
    return {
        "value": value,
        "kept": [(key, item) for key, items in query.lists() for item in items],
        "complete": complete,
        "placeholder": placeholder,
        "name": name,
        "label": label,
        "serial": next(_serial),
    }


# Actions ---------------------------------------------------------------------------------------------------------


@register.inclusion_tag("parts/button.html", takes_context=True)
def button(context: template.Context, label: str, **options: Any) -> dict[str, Any]:
    """{% button "Replay" right="exceptions.replay_case" icon="rotate-cw" kind="primary" key="y" %}.

    kind: primary, danger, plain, ghost. href makes a link; dialog="id" opens that dialog; name and value are
    submitted; form="id" submits that form; because="…" disables with that reason; right disables by itself and says
    which right is missing and who has it, of several with a space between the first that is; staff=True: so does not
    being let into the admin.
    """
    known = {
        "right", "staff", "icon", "kind", "key", "href", "dialog", "name", "value", "form", "because", "small", "post",
    }  # fmt: skip
    if unknown := set(options) - known:
        raise ImproperlyConfigured(f"button has no option {', '.join(sorted(unknown))}")
    because = options.get("because", "")
    needed = options.get("right", "")
    user = context["request"].user if needed or options.get("staff") else None
    if user is not None and not because:
        if missing := next((right for right in needed.split() if not user.has_perm(right)), ""):
            because = rights.missing_on(context["request"], missing)
        elif options.get("staff") and not user.is_staff:
            because = "You are not let into the admin: an administrator has to make you staff."
    return {
        **options,
        "label": label,
        "because": because,
        "serial": next(_serial),
        "csrf_token": context.get("csrf_token"),
    }


@register.simple_block_tag(takes_context=True)
def dialog(context: template.Context, content: SafeString, name: str, title: str, **options: Any) -> str:
    """{% dialog "replay" "Replay one journal" action=url button="Replay" reason="required" %}…{% enddialog %}.

    A real form in a native dialog, opened by {% button dialog="replay" %}, with and without script. reason: required,
    optional or empty; reason_max its characters. kind colours the button. here=True: what the view refuses is said in
    the dialog, where what was typed stays (see acting.answering). method, target and swap are htmx's.
    """
    return render_to_string(
        "parts/dialog.html",
        {**options, "name": name, "title": title, "content": content, "csrf_token": context.get("csrf_token")},
    )
