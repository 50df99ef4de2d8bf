"""The one error a person sees: what is wrong, and what to do about it."""

from __future__ import annotations

import errno


class Stop(Exception):
    """The command cannot go on. `remedy` is what the reader can do now, in one line."""

    def __init__(self, message: str, remedy: str = "") -> None:
        super().__init__(message)
        self.message = one_line(message)
        self.remedy = one_line(remedy)

    def __str__(self) -> str:
        return f"{self.message}. {self.remedy}".rstrip(". ") + "." if self.remedy else self.message


def one_line(text: str) -> str:
    return " ".join(text.split()).rstrip(".")


def from_os_error(error: OSError) -> Stop | None:
    """The Stop for an error that is the machine's and not ours; None where it may be a fault of the program."""
    place = error.filename or "the project's folder"
    if error.errno in (errno.ENOSPC, errno.EDQUOT):
        return Stop(f"The disk is full ({place})", "Free some space; .local/ and .venv/ need about 500 MB")
    if error.errno in (errno.EACCES, errno.EPERM, errno.EROFS):
        return Stop(f"{place} cannot be written", "Get the right to write there, or copy the project elsewhere")
    return None
