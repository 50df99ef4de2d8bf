"""One file per vendor, found by itself: SUBJECTS, a tuple."""

from __future__ import annotations

import pkgutil
from importlib import import_module

from tests.connectors.suite.subject import Subject

ALL: tuple[Subject, ...] = tuple(
    subject
    for module in sorted(pkgutil.iter_modules(__path__), key=lambda found: found.name)
    for subject in import_module(f"{__name__}.{module.name}").SUBJECTS
)
