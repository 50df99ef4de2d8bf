"""Creates, updates and deletes records as the platform would: defaults, derived fields, its own refusals."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Mapping, Sequence
from decimal import Decimal, InvalidOperation
from typing import Any, Protocol

from q2c.connectors.salesforce.sandbox.schema import SObject, record_id
from q2c.connectors.salesforce.webhook import long_id

Record = dict[str, Any]


class Refused(Exception):
    """One element of the platform's error array, with its HTTP status."""

    def __init__(self, code: str, message: str, fields: tuple[str, ...] = (), status: int = 400) -> None:
        super().__init__(message)
        self.code, self.message, self.fields, self.status = code, message, fields, status

    def body(self) -> list[dict[str, Any]]:
        found: dict[str, Any] = {"message": self.message, "errorCode": self.code}
        return [{**found, "fields": list(self.fields)}] if self.code in _DML else [found]


_DML = {
    "REQUIRED_FIELD_MISSING", "FIELD_CUSTOM_VALIDATION_EXCEPTION", "DUPLICATE_VALUE", "INVALID_CROSS_REFERENCE_KEY",
    "CANNOT_INSERT_UPDATE_ACTIVATE_ENTITY", "UNABLE_TO_LOCK_ROW", "INVALID_FIELD_FOR_INSERT_UPDATE", "MALFORMED_ID",
    "STRING_TOO_LONG", "ENTITY_IS_DELETED",
}  # fmt: skip


class Records(Protocol):
    """Where the org's records are kept, by object name and id."""

    def get(self, name: str, key: str) -> Record | None: ...

    def put(self, name: str, key: str, record: Record) -> None: ...

    def load(self, name: str, field: str = "", values: Sequence[str] = ()) -> list[Record]: ...

    def where(self, name: str, field: str, value: str) -> list[Record]:
        """Those whose field has this text, whatever its case."""
        ...

    def next_number(self, name: str) -> int: ...


class Org:
    def __init__(self, records: Records, describe: Callable[[str], SObject | None], now: dt.datetime) -> None:
        self.records, self.describe = records, describe
        self.stamp = now.astimezone(dt.UTC).strftime("%Y-%m-%dT%H:%M:%S.") + f"{now.microsecond // 1000:03d}+0000"

        self.touched: set[str] = set()
        # Opportunities that this request made won.
        self.won: list[str] = []

    def sobject(self, name: str) -> SObject:
        found = self.describe(name)
        if found is None:
            raise Refused("NOT_FOUND", "The requested resource does not exist", status=404)
        return found

    def read(self, sobject: SObject, key: str) -> Record:
        record = self.records.get(sobject.name, long_id(key))
        if record is None:
            raise Refused("NOT_FOUND", "The requested resource does not exist", status=404)
        if record.get("IsDeleted"):
            raise Refused("ENTITY_IS_DELETED", "entity is deleted", status=404)
        return record

    def create(self, sobject: SObject, body: Mapping[str, Any]) -> str:
        values = self._checked(sobject, body)
        missing = tuple(name for name in sobject.required if values.get(name) in (None, ""))
        if missing:
            text = f"Required fields are missing: [{', '.join(missing)}]"
            raise Refused("REQUIRED_FIELD_MISSING", text, missing)
        self._unique(sobject, values, None)
        key = record_id(sobject.prefix, self.records.next_number(sobject.name))
        record = {
            "Id": key, "IsDeleted": False, "CreatedDate": self.stamp, "LastModifiedDate": self.stamp,
            "SystemModstamp": self.stamp, **values,
        }  # fmt: skip
        self._store(sobject, record)
        return key

    def update(self, sobject: SObject, key: str, body: Mapping[str, Any]) -> None:
        record = self.read(sobject, key)
        values = self._checked(sobject, body)
        emptied = tuple(name for name in sobject.required if name in values and values[name] in (None, ""))
        if emptied:
            raise Refused("REQUIRED_FIELD_MISSING", f"Required fields are missing: [{', '.join(emptied)}]", emptied)
        self._unique(sobject, values, record["Id"])
        self._store(sobject, {**record, **values, "LastModifiedDate": self.stamp, "SystemModstamp": self.stamp})

    def delete(self, sobject: SObject, key: str) -> None:
        record = self.read(sobject, key)
        self._store(sobject, {**record, "IsDeleted": True, "SystemModstamp": self.stamp})

    def by_external_id(self, sobject: SObject, name: str, value: str) -> list[Record]:
        field = sobject.canonical(name)
        if field is None or (field not in sobject.external_ids and field != "Id"):
            text = f"Provided external ID field does not exist or is not accessible: {name}"
            raise Refused("NOT_FOUND", text, status=404)
        return [record for record in self.records.where(sobject.name, field, value) if not record.get("IsDeleted")]

    def _checked(self, sobject: SObject, body: Mapping[str, Any]) -> Record:
        """Values in the form in which they are kept; numbers as decimal text."""
        found: Record = {}
        for given, value in body.items():
            if given == "attributes":
                continue
            name = sobject.canonical(given)
            if name is None:
                text = f"No such column '{given}' on sobject of type {sobject.name}"
                raise Refused("INVALID_FIELD", text)
            if name in sobject.read_only:
                text = f"Unable to create/update fields: {name}. Please check the security settings of this field"
                raise Refused("INVALID_FIELD_FOR_INSERT_UPDATE", text, (name,))
            found[name] = self._value(sobject, name, value)
        return found

    def _value(self, sobject: SObject, name: str, value: Any) -> Any:
        kind = sobject.fields[name]
        if value is None:
            return None
        if kind == "boolean" and not isinstance(value, bool):
            raise _wrong(kind, value)
        if kind == "double":
            try:
                return str(Decimal(str(value)))
            except InvalidOperation:
                raise _wrong(kind, value) from None
        if kind in {"date", "datetime"}:
            try:
                dt.datetime.fromisoformat(str(value))
            except ValueError:
                raise _wrong(kind, value) from None
        if kind == "reference":
            key = long_id(str(value))
            if len(key) != 18:
                raise Refused("MALFORMED_ID", f"{name}: id value of incorrect type: {value}", (name,))
            self._linked(sobject, name, key)
            return key
        return value

    def _linked(self, sobject: SObject, name: str, key: str) -> None:
        """A look-up must name a record that is there."""
        targets = [target for link, target in sobject.parents.values() if link == name]
        if name == "Bill_To__c":
            targets = ["Account"]
        if targets and self.records.get(targets[0], key) is None:
            raise Refused("INVALID_CROSS_REFERENCE_KEY", "invalid cross reference id", (name,))

    def _unique(self, sobject: SObject, values: Mapping[str, Any], own: str | None) -> None:
        for name in sobject.external_ids:
            if not values.get(name) or not name.endswith("__c"):
                continue
            others = [each for each in self.by_external_id(sobject, name, str(values[name])) if each["Id"] != own]
            if others:
                text = f"duplicate value found: {name} duplicates value on record with id: {others[0]['Id']}"
                raise Refused("DUPLICATE_VALUE", text)

    def _store(self, sobject: SObject, record: Record) -> None:
        if sobject.name == "Opportunity":
            if record.get("StageName") == "Closed Won" and not record.get("IsWon"):
                self.won.append(record["Id"])
            record.update(
                IsClosed=str(record.get("StageName", "")).startswith("Closed"),
                IsWon=record.get("StageName") == "Closed Won",
            )
        if sobject.name == "OpportunityLineItem":
            self._priced(record)
        self.records.put(sobject.name, record["Id"], record)
        if sobject.name == "OpportunityLineItem":
            self.touched.add(str(record["OpportunityId"]))

    def _priced(self, line: Record) -> None:
        """TotalPrice is quantity × unit price, less the discount percentage; the code is the product's."""
        gross = Decimal(line.get("Quantity") or "0") * Decimal(line.get("UnitPrice") or "0")
        share = 1 - Decimal(line.get("Discount") or "0") / 100
        product = self.records.get("Product2", str(line.get("Product2Id") or "")) or {}
        line.update(
            Subtotal=str(gross),
            TotalPrice=str((gross * share).quantize(Decimal("0.01"))),
            ProductCode=product.get("ProductCode"),
            Name=line.get("Name") or product.get("Name"),
        )

    def finish(self) -> None:
        """Lines make the amount of their opportunity, and touch it. Once per request: seeds bring thousands."""
        if not self.touched:
            return
        amounts: dict[str, Decimal] = {}
        for line in self.records.load("OpportunityLineItem", "OpportunityId", sorted(self.touched)):
            if not line.get("IsDeleted"):
                before = amounts.get(line["OpportunityId"], Decimal(0))
                amounts[line["OpportunityId"]] = before + Decimal(line.get("TotalPrice") or "0")
        for key in sorted(self.touched):
            record = self.records.get("Opportunity", key)
            if record is not None:
                changed = {"Amount": str(amounts.get(key, 0)), "HasOpportunityLineItem": key in amounts}
                stamps = {"SystemModstamp": self.stamp, "LastModifiedDate": self.stamp}
                self.records.put("Opportunity", key, {**record, **changed, **stamps})
        self.touched.clear()


def _wrong(kind: str, value: Any) -> Refused:
    shape = "VALUE_STRING" if isinstance(value, str) else "VALUE"
    return Refused("JSON_PARSER_ERROR", f"Cannot deserialize instance of {kind} from {shape} value {value}")
