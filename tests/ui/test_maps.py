"""A map of boxes: what leads where can be read from it, since no line runs through a box that it does not lead to."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence

from q2c.reading import process
from q2c.stages import STAGES
from q2c.ui import maps
from q2c.ui.maps import Box

RECT = re.compile(r'<rect x="(\d+)" y="(\d+)" width="(\d+)" height="(\d+)"')
EDGE = re.compile(r'<path class="edge" d="([^"]+)"')
TIP = re.compile(r'<path class="tip" d="M(\d+) (\d+)l')
# accept_order is told to write_back by a short and by a long way, cancel_order only by a long one.
FLOW = [
    Box("accept", "accept"), Box("sync", "sync", ("accept",)), Box("post", "post"), Box("look", "look", ("post",)),
    Box("cancel", "cancel"), Box("activate", "activate", ("sync", "look")),
    Box("tell", "tell", ("accept", "activate", "cancel")),
]  # fmt: skip


def test_each_box_stands_after_what_leads_to_it_and_a_circle_is_survived() -> None:
    boxes = [Box("c", "c", ("b",)), Box("a", "a"), Box("b", "b", ("a",))]
    assert maps.columns_of(boxes) == {"a": 0, "b": 1, "c": 2}
    maps.process_map([Box("a", "a", ("b",)), Box("b", "b", ("a",))], "circle")


def test_no_line_runs_through_a_box_on_its_way() -> None:
    stages = [Box(stage.name, stage.name, process.leads_to(stage)) for stage in STAGES.values()]
    for boxes in (FLOW, stages):
        drawn = str(maps.process_map(boxes, "t"))
        rects = [tuple(map(int, found)) for found in RECT.findall(drawn)]
        lines = EDGE.findall(drawn)
        assert len(lines) == sum(len(box.after) for box in boxes)
        assert [line for line in lines if _meets(line, rects)] == []
        # Each arrives, visibly, at the left side of a box.
        sides = {(x, y + height // 2) for x, y, _, height in rects}
        assert {tuple(map(int, tip)) for tip in TIP.findall(drawn)} <= sides


def test_what_a_note_has_no_room_for_is_told_by_the_pointer() -> None:
    drawn = str(maps.process_map([Box("a", "a", note="on X and 3 more", told="on X or Y or Z or W")], "t"))
    assert ">on X and 3 more</text>" in drawn and "<title>a: on X or Y or Z or W</title>" in drawn


def _meets(line: str, rects: Sequence[tuple[int, ...]]) -> bool:
    return any(x < px < x + w and y < py < y + h for px, py in _points(line) for x, y, w, h in rects)


def _points(line: str) -> Iterator[tuple[float, float]]:
    """Along a path of M, C and H, close enough that no box is missed."""
    x, y = 0.0, 0.0
    for letter, rest in re.findall(r"([MCH])([^MCH]*)", line):
        numbers = [float(each) for each in rest.split()]
        if letter == "M":
            x, y = numbers
        elif letter == "H":
            yield from ((x + (numbers[0] - x) * i / 100, y) for i in range(101))
            x = numbers[0]
        else:
            ends = [(x, y), *zip(numbers[::2], numbers[1::2], strict=True)]
            yield from (_bezier(ends, i / 100) for i in range(101))
            x, y = numbers[-2:]


def _bezier(ends: Sequence[tuple[float, float]], at: float) -> tuple[float, float]:
    shares = ((1 - at) ** 3, 3 * at * (1 - at) ** 2, 3 * at**2 * (1 - at), at**3)
    xs, ys = zip(*ends, strict=True)
    return (
        sum(share * x for share, x in zip(shares, xs, strict=True)),
        sum(share * y for share, y in zip(shares, ys, strict=True)),
    )
