"""What the verbs of this room refuse, each with the sentence a person reads."""

from __future__ import annotations

from django.core.exceptions import PermissionDenied


class Refused(PermissionDenied):
    """A right is missing, or four eyes are needed. `right` is app_label.codename, empty where no right would help."""

    def __init__(self, text: str, right: str = "") -> None:
        self.right = right
        self.text = text
        super().__init__(text)


class NotPossible(ValueError):
    """The record is not in a state, or the request not in a shape, in which this can be done.

    `field` is the member of the request that is wrong, where it is one; `remedy` what would be right.
    """

    def __init__(self, text: str, field: str = "", remedy: str = "") -> None:
        self.text = text
        self.field = field
        self.remedy = remedy
        super().__init__(text)


class QueryError(ValueError):
    """A search that cannot be understood: what is wrong, at which character, and what would be right."""

    def __init__(self, text: str, at: int = 0, choices: tuple[str, ...] = ()) -> None:
        self.text = text
        self.at = at
        self.choices = choices
        super().__init__(text)
