"""Charts as SVG made on the server: classes for colour, no inline style, a table or a sentence behind each.

Geometry is in whole pixels of the drawing; amounts stay integers and are only scaled for display.
"""

from __future__ import annotations

from collections.abc import Sequence

from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString

from q2c.ui import formats, words
from q2c.ui.parts import Point


def _scaled(value: int, highest: int, length: int) -> int:
    """value / highest × length, at least 1 for what is not nothing."""
    if highest <= 0 or value <= 0:
        return 0
    return max(1, value * length // highest)


def sparkline(values: Sequence[int], title: str) -> SafeString:
    """A word-sized line. What it shows is said in its description."""
    if len(values) < 2:
        return format_html('<span class="nothing">{}</span>', "no trend yet")
    width, height, highest = 96, 24, max(*values, 1)
    step_x = (width - 4) / (len(values) - 1)
    points = [(round(2 + i * step_x), height - 3 - _scaled(v, highest, height - 6)) for i, v in enumerate(values)]
    path = " ".join(f"{x},{y}" for x, y in points)
    said = f"From {formats.number(values[0])} to {formats.number(values[-1])}, highest {formats.number(max(values))}."
    return format_html(
        '<svg class="sparkline" viewBox="0 0 {w} {h}" width="{w}" height="{h}" role="img"><title>{t}</title>'
        '<desc>{d}</desc><polygon class="under" points="2,{h} {p} {right},{h}"/><polyline points="{p}"/>'
        '<circle cx="{x}" cy="{y}" r="2"/></svg>',
        w=width,
        h=height,
        t=title,
        d=said,
        p=path,
        right=width - 2,
        x=points[-1][0],
        y=points[-1][1],
    )


def share(parts: Sequence[tuple[str, int]], noun: str = "", title: str = "") -> SafeString:
    """One bar divided by state. The numbers stand beside it in text, so it is hidden from screen readers."""
    whole = sum(count for _, count in parts)
    if not whole:
        return format_html('<svg class="share" viewBox="0 0 400 6" aria-hidden="true">{}</svg>', "")
    rects, x = [], 0
    for state, count in parts:
        width = max(4, count * 400 // whole) if count else 0
        rects.append((words.look(state, noun).tone, x, max(0, width - 2)))
        x += width
    return format_html(
        '<svg class="share" viewBox="0 0 {} 6" preserveAspectRatio="none" aria-hidden="true"><title>{}</title>{}</svg>',
        max(400, x),
        title,
        format_html_join("", '<rect class="tone-{}" x="{}" y="0" width="{}" height="6"/>', rects),
    )


def columns(points: Sequence[Point], title: str, *, value_name: str = "Count", also_name: str = "") -> SafeString:
    """Values over time as columns; `also` is stacked on top in the tone of failure. A table stands behind."""
    if not points:
        return format_html('<p class="nothing">{}</p>', "No data in this span.")
    height, slot, highest = 120, 20, max(1, *(p.value + p.also for p in points))
    bars = []
    for i, point in enumerate(points):
        main, also = _scaled(point.value, highest, height), _scaled(point.also, highest, height)
        bars.append(
            format_html(
                '<g><title>{}: {}</title><rect class="hit" x="{x}" y="0" width="{slot}" height="{h}"/>'
                '<rect class="tone-{}" x="{bx}" y="{}" width="{w}" height="{}"/>'
                '<rect class="tone-bad" x="{bx}" y="{}" width="{w}" height="{}"/></g>',
                point.label,
                _said(point, value_name, also_name),
                point.tone,
                height - main,
                main,
                height - main - also,
                also,
                x=i * slot,
                bx=i * slot + 3,
                slot=slot,
                w=slot - 6,
                h=height,
            )
        )
    return format_html(
        '<figure class="chart"><figcaption>{title}{legend}</figcaption>'
        '<div class="plot"><span class="highest">{top}</span>'
        '<svg viewBox="0 0 {w} {h}" preserveAspectRatio="none" role="img" aria-label="{title}">'
        '<path class="grid" d="M0 0.5H{w}M0 {mid}H{w}M0 {base}H{w}"/>{bars}</svg>'
        '<span class="from">{first}</span><span class="to">{last}</span></div>{table}</figure>',
        title=title,
        legend=_legend(value_name, also_name),
        top=formats.number(highest),
        w=len(points) * slot,
        h=height,
        mid=height // 2,
        base=height - 0.5,
        bars=format_html_join("", "{}", ((bar,) for bar in bars)),
        first=points[0].label,
        last=points[-1].label,
        table=_table_behind(points, value_name, also_name),
    )


def _said(point: Point, value_name: str, also_name: str) -> str:
    text = f"{value_name} {point.display or formats.number(point.value)}"
    return f"{text}, {also_name} {formats.number(point.also)}" if also_name else text


def _legend(value_name: str, also_name: str) -> SafeString:
    if not also_name:
        return format_html("{}", "")
    swatch = (
        '<svg class="swatch" viewBox="0 0 8 8" aria-hidden="true"><rect class="tone-{}" width="8" height="8"/></svg>{}'
    )
    rows = (("accent", value_name), ("bad", also_name))
    return format_html('<span class="legend">{}</span>', format_html_join(" ", swatch, rows))


def _table_behind(points: Sequence[Point], value_name: str, also_name: str) -> SafeString:
    head = format_html("<th scope=col>{}</th>", also_name) if also_name else ""
    rows = [
        (
            p.label,
            p.display or formats.number(p.value),
            format_html('<td class="number">{}</td>', formats.number(p.also)) if also_name else "",
        )
        for p in points
    ]
    return format_html(
        '<details class="behind"><summary>Table</summary><div class="scroll"><table class="table"><thead><tr>'
        '<th scope="col">When</th><th scope="col" class="number">{}</th>{}</tr></thead><tbody>{}</tbody></table>'
        "</div></details>",
        value_name,
        head,
        format_html_join("", '<tr><th scope="row">{}</th><td class="number">{}</td>{}</tr>', rows),
    )


def bars(points: Sequence[Point], title: str) -> SafeString:
    """A ranking: a table whose middle column is drawn."""
    highest = max((p.value for p in points), default=0)
    rows = [
        (
            format_html('<a href="{}">{}</a>', p.href, p.label) if p.href else p.label,
            p.tone,
            _scaled(p.value, highest, 400),
            p.display or formats.number(p.value),
        )
        for p in points
    ]
    return format_html(
        '<table class="bars"><caption>{}</caption><tbody>{}</tbody></table>',
        title,
        format_html_join(
            "",
            '<tr><th scope="row">{}</th><td class="drawn"><svg viewBox="0 0 400 10" preserveAspectRatio="none" '
            'aria-hidden="true"><rect class="tone-{}" width="{}" height="10"/></svg></td>'
            '<td class="number">{}</td></tr>',
            rows,
        ),
    )


def road(noun: str, state: str, *, small: bool = False, left_at: str = "") -> SafeString:
    """Where a record is on its noun's road and what comes next.

    Small: dots only, for a table cell. A side state (rejected, blocked) hangs under the place where it left:
    `left_at`, the state it had before, or where most do.
    """
    main = words.ROADS[noun]
    here = words.look(state, noun)
    if left_at not in main:
        left_at = words.SIDES.get((noun, left_at or state), "")
    place = main.index(state) if state in main else main.index(left_at) if left_at else 0
    following = main[place + 1] if place + 1 < len(main) else ""
    goes_on = here.tone != "bad" and state not in words.LEFT_FOR_GOOD
    ahead = f"Next: {words.look(following, noun).label}." if following and goes_on else ""
    said = f"{here.label}, step {place + 1} of {len(main)}. {ahead}".strip()
    if left_at and not goes_on:
        said = f"{here.label} after {words.look(left_at, noun).label}, step {place + 1} of {len(main)}."
    draw = _dots if small else _stations
    return draw(noun, main, place, state, said)


def _dots(noun: str, main: Sequence[str], place: int, state: str, said: str) -> SafeString:
    tone = words.look(state, noun).tone
    gap, width = 14, 14 * len(main)
    dots = []
    for i in range(len(main)):
        kind = "past" if i < place else f"here tone-{tone}" if i == place else "later"
        dots.append((kind, 7 + i * gap, 4 if i == place else 3))
    return format_html(
        '<svg class="road small" viewBox="0 0 {w} 12" width="{w}" height="12" role="img"><title>{t}</title>'
        '<path d="M7 6H{end}"/>{dots}</svg>',
        w=width,
        t=said,
        end=width - 7,
        dots=format_html_join("", '<circle class="{}" cx="{}" cy="6" r="{}"/>', dots),
    )


_GAP, _START, _LINE = 90, 45, 30
# What a letter of a state takes at most, on average.
_LETTER = 7


def _stations(noun: str, main: Sequence[str], place: int, state: str, said: str) -> SafeString:
    aside = state not in main
    marks = [_station(noun, name, i, _kind(main, i, place, aside, noun)) for i, name in enumerate(main)]
    if aside:
        marks.append(_branch(words.look(state, noun), _START + place * _GAP, back=place == len(main) - 1))
    width, height = _GAP * len(main), 74 if aside else 42
    if aside and place < len(main) - 1:
        width = max(width, _START + place * _GAP + 36 + _LETTER * len(words.look(state, noun).label))
    return format_html(
        '<div class="scroll road-frame"><svg class="road" viewBox="0 0 {w} {h}" width="{w}" height="{h}" role="img">'
        '<title>{t}</title><path d="M{start} {y}H{end}"/>{marks}</svg></div>',
        w=width,
        h=height,
        t=said,
        start=_START,
        y=_LINE,
        end=_START + _GAP * (len(main) - 1),
        marks=format_html_join("", "{}", ((mark,) for mark in marks)),
    )


def _kind(main: Sequence[str], i: int, place: int, aside: bool, noun: str) -> str:
    """past, here (with its tone) or later. A road that ends well has no "here": everything is behind."""
    if i < place or (aside and i == place):
        return "past"
    if i > place:
        return "later"
    tone = words.look(main[i], noun).tone
    return "past last" if i == len(main) - 1 and tone == "good" else f"here tone-{tone}"


def _station(noun: str, name: str, i: int, kind: str) -> SafeString:
    x = _START + i * _GAP
    tick = format_html('<path class="tick" d="M{} {}l2.2 2.2 4-4.4"/>', x - 3, _LINE) if "past" in kind else ""
    return format_html(
        '<g class="{}"><circle cx="{x}" cy="{y}" r="7"/>{}<text x="{x}" y="13">{}</text></g>',
        kind,
        tick,
        words.look(name, noun).label,
        x=x,
        y=_LINE,
    )


def _branch(look: words.Look, x: int, *, back: bool) -> SafeString:
    """The side state hangs under the place where it left the road; `back` to the left, where the road has ended."""
    way = -1 if back else 1
    return format_html(
        '<path class="branch" d="M{x} {top}V52q0 8 {turn} 8h{on}"/>'
        '<g class="here tone-{tone}"><circle cx="{cx}" cy="60" r="7"/>'
        '<text class="{side}" x="{tx}" y="64">{label}</text></g>',
        x=x,
        top=_LINE + 7,
        turn=8 * way,
        on=6 * way,
        tone=look.tone,
        cx=x + 22 * way,
        side="before" if back else "beside",
        tx=x + 36 * way,
        label=look.label,
    )
