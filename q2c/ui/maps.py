"""A map of boxes from left to right, as SVG made on the server: what leads to a box stands in a column before it.

A line to the next column is a curve between the two. A longer one runs in a lane where no box stands, so that it never
seems to pass through one: on in its own row where that is free, else above it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString

from q2c.ui import formats

_BOX_W, _BOX_H = 176, 58
# Between the columns there is room for a curve, above each row for a lane.
_COLUMN, _ROW = 212, 78
_GUTTER = _COLUMN - _BOX_W
_TOP = _ROW - _BOX_H
_TIP = 6
# Letters of a note that fit into a box, the wide ones, too.
NOTE_MAX = 27


@dataclass(frozen=True)
class Box:
    """One box of a map: `after` names the boxes that lead to it; `told` is what its short note stands for."""

    name: str
    label: str
    after: Sequence[str] = ()
    note: str = ""
    href: str = ""
    count: int = 0
    tone: str = "quiet"
    told: str = ""


# Column and row, both from 0.
Place = tuple[int, int]


def process_map(boxes: Sequence[Box], title: str) -> SafeString:
    """Each box stands one column after the last of those that lead to it."""
    at = _places(boxes)
    edges = [(at[source], at[box.name]) for box in boxes for source in box.after if source in at]
    taken = set(at.values())
    width = (max((column for column, _ in taken), default=0) + 1) * _COLUMN - _GUTTER + 8
    height = max((row for _, row in taken), default=0) * _ROW + _TOP + _BOX_H + 4
    return format_html(
        '<div class="scroll map-frame" tabindex="0" role="region" aria-label="{t}">'
        '<svg class="map" viewBox="0 0 {w} {h}" width="{w}" height="{h}"><title>{t}</title>{lines}{boxes}</svg></div>',
        t=title,
        w=width,
        h=height,
        lines=format_html_join("", "{}", ((_edge(source, target, taken),) for source, target in edges)),
        boxes=format_html_join("", "{}", ((_drawn(box, *_corner(at[box.name])),) for box in boxes)),
    )


def _places(boxes: Sequence[Box]) -> dict[str, Place]:
    column = columns_of(boxes)
    filled: dict[int, int] = {}
    at: dict[str, Place] = {}
    for box in boxes:
        place = column[box.name]
        at[box.name] = (place, filled.get(place, 0))
        filled[place] = at[box.name][1] + 1
    return at


def columns_of(boxes: Sequence[Box]) -> dict[str, int]:
    """Longest way from a start to each box; an edge that would close a circle is not followed."""
    known = {box.name: box for box in boxes}
    found: dict[str, int] = {}

    def depth(name: str, path: frozenset[str]) -> int:
        if name not in found:
            before = [b for b in known[name].after if b in known and b not in path]
            found[name] = max((depth(b, path | {name}) + 1 for b in before), default=0)
        return found[name]

    for box in boxes:
        depth(box.name, frozenset())
    return found


def _corner(place: Place) -> tuple[int, int]:
    return place[0] * _COLUMN + 4, place[1] * _ROW + _TOP


def _edge(source: Place, target: Place, taken: set[Place]) -> SafeString:
    """A line with a tip where it arrives."""
    (x1, y1), (x2, y2) = _corner(source), _corner(target)
    x1, y1, y2 = x1 + _BOX_W, y1 + _BOX_H // 2, y2 + _BOX_H // 2
    end = x2 - _TIP
    lane = _lane(source, target, taken)
    if lane is None:
        path = f"M{x1} {y1}{_bend(x1, y1, end, y2)}"
    else:
        path = f"M{x1} {y1}{_bend(x1, y1, x1 + _GUTTER, lane)}H{x2 - _GUTTER}{_bend(x2 - _GUTTER, lane, end, y2)}"
    return format_html(
        '<path class="edge" d="{}"/><path class="tip" d="M{} {}l-{tip} -4v8z"/>', path, x2, y2, tip=_TIP + 1
    )


def _lane(source: Place, target: Place, taken: set[Place]) -> int | None:
    """The height at which a line passes the columns between its ends; None where there are none."""
    (first, row), (last, _) = source, target
    between = range(first + 1, last)
    if not between:
        return None
    free = all((column, row) not in taken for column in between)
    return row * _ROW + _TOP + _BOX_H // 2 if free else row * _ROW + _TOP // 2


def _bend(x1: int, y1: int, x2: int, y2: int) -> str:
    bend = max(_GUTTER // 2, abs(x2 - x1) // 2)
    return f"C{x1 + bend} {y1} {x2 - bend} {y2} {x2} {y2}"


def _drawn(box: Box, x: int, y: int) -> SafeString:
    inner = format_html(
        '<g class="box tone-{tone}"><title>{label}: {whole}</title>'
        '<rect x="{x}" y="{y}" width="{w}" height="{h}" rx="6"/><text class="name" x="{tx}" y="{ty}">{label}</text>'
        '<text class="note" x="{tx}" y="{ny}">{note}</text>{count}</g>',
        tone=box.tone,
        whole=box.told or box.note,
        x=x,
        y=y,
        w=_BOX_W,
        h=_BOX_H,
        tx=x + 12,
        ty=y + 24,
        ny=y + 43,
        label=box.label,
        note=box.note if len(box.note) <= NOTE_MAX else box.note[: NOTE_MAX - 1] + "…",
        count=format_html('<text class="count" x="{}" y="{}">{}</text>', x + 164, y + 24, formats.number(box.count))
        if box.count
        else "",
    )
    return format_html('<a href="{}">{}</a>', box.href, inner) if box.href else inner
