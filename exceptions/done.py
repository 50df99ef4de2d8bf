"""What a verb over many records came to: what was done, and what was left, each with the reason why."""

from __future__ import annotations

import uuid
from dataclasses import dataclass, field


@dataclass(slots=True)
class Done:
    """`done` are the ids that changed; `left` tells for each other id why it did not."""

    done: list[uuid.UUID] = field(default_factory=list)
    left: dict[uuid.UUID, str] = field(default_factory=dict)
