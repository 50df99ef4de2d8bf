"""What a check finds: each wrong with its kind, and how many documents were compared at all."""

from __future__ import annotations

from dataclasses import dataclass, field


@dataclass
class Wrong:
    """`kind` is short and stable, `text` names the document and both values, `trace` is what q2c's trace finds it by:
    a business key or a correlation id."""

    kind: str
    text: str
    trace: str = ""


@dataclass
class Found:
    """`counts`: documents compared, by noun; `excused`: those that are not where they should be, and have a case, a
    day to come, or somebody in front that says why."""

    counts: dict[str, int] = field(default_factory=dict)
    wrong: list[Wrong] = field(default_factory=list)
    excused: dict[str, int] = field(default_factory=dict)

    def add(self, kind: str, text: str, trace: object = "") -> None:
        self.wrong.append(Wrong(kind, text, str(trace or "")))

    def count(self, noun: str, number: int = 1) -> None:
        self.counts[noun] = self.counts.get(noun, 0) + number

    def unless(self, why: str, kind: str, text: str, trace: object = "") -> None:
        """Wrong, unless there is a reason why it is so."""
        if why:
            self.excused[kind] = self.excused.get(kind, 0) + 1
        else:
            self.add(kind, text, trace)
