"""Columns of a CSV file ↔ values of a record. Read strictly: each error says what to write instead."""

from __future__ import annotations

import datetime as dt
import json
import re
from decimal import Decimal
from typing import Any

from import_export import widgets
from import_export.widgets import ForeignKeyWidget

from ledger.models import Account


class KeyWidget(ForeignKeyWidget):
    """Another record by its key; an unknown one is an error with a remedy."""

    def __init__(self, model: Any, field: str = "code") -> None:
        super().__init__(model, field)
        self._noun = str(model._meta.verbose_name)

    def clean(self, value: Any, row: Any = None, **kwargs: Any) -> Any:
        key = str(value or "").strip()
        if not key:
            return None
        found = self.model.objects.filter(**{self.field: key}).first()
        if found is None:
            raise ValueError(f"There is no {self._noun} {key}: add it first, or correct this column")
        return found


class AccountWidget(widgets.Widget):
    """`4000` of the shared chart, or `US01/4000` of an entity's own."""

    def clean(self, value: Any, row: Any = None, **kwargs: Any) -> Any:
        if not value:
            return None
        entity, _, code = str(value).strip().rpartition("/")
        found = Account.objects.filter(code=code, entity__code=entity or None).first()
        if found is None:
            raise ValueError(f"There is no account {value}: add it first, or write an entity's own as US01/4000")
        return found

    def render(self, value: Any, obj: Any = None, **kwargs: Any) -> str:
        if value is None:
            return ""
        return f"{value.entity.code}/{value.code}" if value.entity_id else str(value.code)


class ListWidget(widgets.Widget):
    """`USD EUR` ↔ ["USD", "EUR"]."""

    def clean(self, value: Any, row: Any = None, **kwargs: Any) -> list[str]:
        return str(value or "").replace(",", " ").split()

    def render(self, value: Any, obj: Any = None, **kwargs: Any) -> str:
        return " ".join(value or [])


class MappingWidget(widgets.Widget):
    """A JSON object in one column; empty for none."""

    def __init__(self, empty: Any = None) -> None:
        super().__init__()
        self.empty = empty

    def clean(self, value: Any, row: Any = None, **kwargs: Any) -> Any:
        if not value:
            return self.empty
        try:
            found = json.loads(value)
        except ValueError as error:
            raise ValueError(f'Not JSON ({error}): write it like {{"cost_center": "CC-410"}}') from None
        if not isinstance(found, dict):
            raise ValueError('Write a JSON object like {"cost_center": "CC-410"}')
        return found

    def render(self, value: Any, obj: Any = None, **kwargs: Any) -> str:
        return json.dumps(value, ensure_ascii=False) if value else ""


class StrictBoolean(widgets.BooleanWidget):
    """yes or no in the usual spellings; a typing error is no "no"."""

    def clean(self, value: Any, row: Any = None, **kwargs: Any) -> Any:
        text = str(value if value is not None else "").strip().lower()
        if text in {"1", "true", "yes", "y"}:
            return True
        if text in {"0", "false", "no", "n"}:
            return False
        raise ValueError(f"{value!r} is neither yes nor no: write 1 or 0")


class StrictDate(widgets.DateWidget):
    """YYYY-MM-DD only: 03/04/2026 is in March to some and in April to others."""

    def clean(self, value: Any, row: Any = None, **kwargs: Any) -> dt.date | None:
        text = str(value or "").strip()
        try:
            return dt.date.fromisoformat(text) if text else None
        except ValueError:
            raise ValueError(f"{text!r} is not a valid date: write it like 2026-01-31") from None

    def render(self, value: Any, obj: Any = None, **kwargs: Any) -> str:
        return value.isoformat() if value else ""


class StrictNumber(widgets.DecimalWidget):
    """Digits with a point: in 1,100 the comma means thousands to some and decimals to others."""

    def clean(self, value: Any, row: Any = None, **kwargs: Any) -> Decimal | None:
        text = str(value if value is not None else "").strip()
        if not text:
            return None
        if not re.fullmatch(r"-?\d+(\.\d+)?", text):
            raise ValueError(f"{text!r} is not a number: write it with digits and a point, like 1100.50")
        return Decimal(text)


class StrictWhole(widgets.IntegerWidget):
    def clean(self, value: Any, row: Any = None, **kwargs: Any) -> int | None:
        text = str(value if value is not None else "").strip()
        if not text:
            return None
        if not re.fullmatch(r"-?\d+", text):
            raise ValueError(f"{text!r} is not a whole number")
        return int(text)
