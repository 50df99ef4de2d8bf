"""What platforms push. A push is no fact: it names records, which are then read by their ids.

A vendor that pushes has a function `references(headers, body, credentials) -> list[str]` and names it in its row of the
registry. It verifies first, as the vendor signs, and raises PushRefused.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

# Headers in any case, the body byte for byte, the connection's credentials → ids for `deal(…)` or `invoice(…)`.
References = Callable[[Mapping[str, str], bytes, Mapping[str, str]], list[str]]


class PushRefused(ValueError):
    """Answer `status` with `headers`; the text says what does not hold, `remedy` what its sender can do about it."""

    def __init__(
        self, text: str, *, status: int = 401, remedy: str = "", headers: Mapping[str, str] | None = None
    ) -> None:
        super().__init__(text)
        self.status, self.remedy, self.headers = status, remedy, dict(headers or {})
