"""Opportunity, its lines and its accounts → OrderDocument. Pure: what cannot be mapped becomes a BadDeal."""

from __future__ import annotations

import datetime as dt
import json
import logging
import re
from collections.abc import Mapping
from decimal import Decimal, InvalidOperation
from typing import Any

import msgspec

from q2c import keys
from q2c.connectors.ports import BadDeal, Deal, DealNotice
from q2c.connectors.salesforce.fields import Fields
from q2c.contracts.documents import OrderDocument
from q2c.money import Money, MoneyError

log = logging.getLogger(__name__)

Record = Mapping[str, Any]
# A number with more has no exact meaning in JSON of others: it is kept as text.
WHOLE_DIGITS_MAX = 18
_PATH_WORDS = re.compile(r"[A-Za-z_]\w*")


class Unmappable(ValueError):
    """One value that has no meaning here; `field` is the Salesforce name a person would correct."""

    def __init__(self, field: str, text: str) -> None:
        super().__init__(f"{field}: {text}")
        self.field = field


def deal_of(record: Record, accounts: Mapping[str, Record], options: Mapping[str, Any]) -> Deal | BadDeal:
    """The deal with all its parties; `accounts` holds every account it needs, by 18-character id.

    `version` is the fingerprint of the document, so that our own write-back is no new version.
    """
    source_id = str(record.get("Id") or "")
    changed_at = instant(record.get("SystemModstamp"))
    try:
        mapping = _DealMapping(record, accounts, options)
        document = mapping.document()
        version = keys.fingerprint(keys.canonical(msgspec.to_builtins(document))).hex()[:24]
    except Unmappable as error:
        return _bad(source_id, changed_at, record, str(error), error.field)
    except Exception as error:
        # What is in one deal stops no other: this one is a person's.
        return unreadable(record, error)
    ids = mapping.account_ids
    return Deal(source_id=source_id, version=version, changed_at=changed_at, document=document, accounts=ids)


def unreadable(record: Record, error: Exception) -> BadDeal:
    """A deal that broke in our hands."""
    source_id = str(record.get("Id") or "")
    log.error("a deal could not be read", extra={"reference": source_id}, exc_info=error)
    text = f"The deal cannot be read: {type(error).__name__}: {error}"[:1000]
    return _bad(source_id, instant(record.get("SystemModstamp")), record, text, "")


def _bad(source_id: str, changed_at: dt.datetime, record: Record, text: str, field: str) -> BadDeal:
    raw = plain(record)
    version = keys.fingerprint(keys.canonical(raw)).hex()[:24]
    return BadDeal(source_id=source_id, version=version, changed_at=changed_at, raw=raw, text=text, field=field)


def notice_of(record: Record, fields: Fields) -> DealNotice:
    """What an opportunity tells of itself without being read in full."""
    deleted = bool(record.get("IsDeleted"))
    return DealNotice(
        source_id=str(record["Id"]),
        changed_at=instant(record["SystemModstamp"]),
        won=bool(record.get("IsWon")) and not deleted,
        order_number=str(record.get(fields.opportunity["order_number"]) or ""),
        stage="deleted" if deleted else str(record.get("StageName") or ""),
    )


def instant(value: object) -> dt.datetime:
    """`2026-01-15T09:30:01.000+0000` as an aware instant; the beginning of time when it cannot be read."""
    try:
        return dt.datetime.fromisoformat(str(value))
    except ValueError:
        return dt.datetime(1970, 1, 1, tzinfo=dt.UTC)


def plain(value: Any) -> Any:
    """JSON data without decimals: a number keeps its digits as text where a float would lose some."""
    if isinstance(value, Mapping):
        return {name: plain(each) for name, each in value.items()}
    if isinstance(value, list):
        return [plain(each) for each in value]
    if isinstance(value, Decimal):
        small = value.is_finite() and value.adjusted() < WHOLE_DIGITS_MAX
        return int(value) if small and value == value.to_integral_value() else str(value)
    if isinstance(value, str):
        # Half a character cannot be kept.
        return value.encode(errors="replace").decode()
    return value


def lines_of(record: Record) -> list[Record]:
    """The line items of an opportunity; an empty child set is null on the wire."""
    children = record.get("OpportunityLineItems") or {}
    return list(children.get("records") or [])


def bill_to_ids(record: Record, fields: Fields) -> set[str]:
    """Accounts other than the deal's own that its lines are billed to."""
    name = fields.line["bill_to"]
    return {str(line[name]) for line in lines_of(record) if name and line.get(name)}


class _DealMapping:
    def __init__(self, record: Record, accounts: Mapping[str, Record], options: Mapping[str, Any]) -> None:
        self.record, self.accounts, self.options = record, accounts, options
        self.fields = Fields.of(options)
        # By our key, filled as they are read.
        self.account_ids: dict[str, str] = {}
        self.currency = str(self._deal("currency") or options.get("currency") or "")
        if not self.currency:
            raise Unmappable(self._name("opportunity", "currency"), "the deal has no currency")

    def document(self) -> OrderDocument:
        lines = lines_of(self.record)
        if not lines:
            raise Unmappable("OpportunityLineItems", "the deal has no line items")
        groups: dict[str, dict[str, Any]] = {}
        mapped = []
        for number, line in enumerate(lines, start=1):
            group = self._group(line)
            seen = groups.setdefault(group["key"], group)
            self._same_group(line, seen, group)
            mapped.append(self._line(number, line, seen["currency"]))
        customer = self._account(self.record.get("AccountId"), "AccountId")
        content = {
            "order_number": self._needed("order_number"),
            "customer": self._account_key(customer),
            "contract_entity": self._needed("contract_entity"),
            "currency": self.currency,
            "closed_on": self._needed("closed_on"),
            "starts_on": self._needed("starts_on"),
            "term_months": self._whole("term_months"),
            "payment_term_days": self._whole("payment_term_days", default=30),
            "parties": self._parties(),
            "groups": list(groups.values()),
            "lines": mapped,
            "description": str(self._deal("description") or "")[:400],
        }
        try:
            return msgspec.convert(content, OrderDocument)
        except msgspec.ValidationError as error:
            raise self._named(error, lines) from None

    def _deal(self, part: str) -> Any:
        return self.record.get(self.fields.opportunity[part])

    def _name(self, table: str, part: str) -> str:
        return getattr(self.fields, table)[part] or part

    def _needed(self, part: str) -> str:
        value = self._deal(part)
        if value in (None, ""):
            raise Unmappable(self._name("opportunity", part), "is empty")
        return str(value)

    def _whole(self, part: str, default: int | None = None) -> int:
        value = self._deal(part)
        if value is None and default is not None:
            return default
        number = _decimal(value, self._name("opportunity", part))
        if number != number.to_integral_value():
            raise Unmappable(self._name("opportunity", part), f"{number} is not a whole number")
        return int(number)

    def _group(self, line: Record) -> dict[str, Any]:
        bill_to = _of(line, self.fields, "bill_to")
        payer = self._account(bill_to or self.record.get("AccountId"), self._name("line", "bill_to"))
        region = _line_needed(line, self.fields, "region")
        country = _of(line, self.fields, "ship_to_country") or payer.get(self.fields.account["country"])
        return {
            "key": str(_of(line, self.fields, "group") or region),
            "region": region,
            "legal_entity": _of(line, self.fields, "legal_entity") or None,
            "bill_to": self._account_key(payer),
            "ship_to": {
                "country": self._country(country, self._name("line", "ship_to_country")),
                **{
                    part: str(_of(line, self.fields, f"ship_to_{part}") or "")
                    for part in ("region", "city", "postal_code", "line1")
                },
            },
            "currency": str(_of(line, self.fields, "group_currency") or self.currency),
        }

    def _same_group(self, line: Record, first: Mapping[str, Any], this: Mapping[str, Any]) -> None:
        names = {"region": "region", "legal_entity": "legal_entity", "bill_to": "bill_to",
                 "currency": "group_currency", "ship_to": "ship_to_country"}  # fmt: skip
        for part, name in names.items():
            if first[part] != this[part]:
                text = f"line {line.get('Id')} has another {part} than the lines before it in group {first['key']}"
                raise Unmappable(self._name("line", name), text)

    def _line(self, number: int, line: Record, currency: str) -> dict[str, Any]:
        kind = _label(_line_needed(line, self.fields, "kind"))
        once = kind == "one_time"
        return {
            "line": number,
            "product": _line_needed(line, self.fields, "product"),
            "group": str(_of(line, self.fields, "group") or _line_needed(line, self.fields, "region")),
            "kind": kind,
            "quantity": _number(line, self.fields, "quantity", "1"),
            "unit_price": _number(line, self.fields, "unit_price", "0"),
            "list_price": _list_price(line, self.fields),
            "price_period": _label(_of(line, self.fields, "price_period") or ("once" if once else "month")),
            "discount_minor": self._minor(line, "discount", currency, default=0),
            "amount_minor": self._amount(line, kind, currency),
            "phases": _json_list(line, self.fields, "phases"),
            "billing": {
                "frequency": _label(_of(line, self.fields, "frequency") or ("once" if once else "monthly")),
                "alignment": _label(_of(line, self.fields, "alignment") or "term_start"),
                "timing": _label(
                    _of(line, self.fields, "timing") or ("in_arrears" if kind == "usage" else "in_advance")
                ),
            },
            "usage": _json(line, self.fields, "usage"),
            "revenue_treatment": _label(_line_needed(line, self.fields, "revenue_treatment")),
            "description": str(_of(line, self.fields, "description") or "")[:400],
        }

    def _amount(self, line: Record, kind: str, currency: str) -> int:
        """What the whole line is worth: its own field; of a one-time line, else, the platform's total."""
        if kind == "usage":
            return self._minor(line, "amount", currency, default=0)
        if kind == "one_time" and _of(line, self.fields, "amount") is None:
            return self._minor(line, "one_time_amount", currency)
        return self._minor(line, "amount", currency)

    def _minor(self, line: Record, part: str, currency: str, default: int | None = None) -> int:
        value = _of(line, self.fields, part)
        if value is None and default is not None:
            return default
        name = self._name("line", part)
        try:
            return Money.of(_decimal(value, name), currency).minor
        except MoneyError as error:
            raise Unmappable(name, str(error)) from None

    def _account(self, account_id: object, field: str) -> Record:
        if not account_id:
            raise Unmappable(field, "is empty")
        account = self.accounts.get(str(account_id))
        if account is None:
            raise Unmappable(field, f"account {account_id} cannot be read")
        return account

    def _account_key(self, account: Record) -> str:
        name = self.fields.account["key"]
        if not account.get(name):
            raise Unmappable(f"Account.{name}", f"account {account.get('Id')} ({account.get('Name')}) has none")
        return str(account[name])

    def _parties(self) -> list[dict[str, Any]]:
        """Each account of the deal and all above it, each once. A loop is passed on: a control names it."""
        wanted = [self.record.get("AccountId"), *sorted(bill_to_ids(self.record, self.fields))]
        seen: dict[str, dict[str, Any]] = {}
        while wanted:
            account_id = wanted.pop(0)
            if not account_id or account_id in seen:
                continue
            account = self._account(account_id, "Account.ParentId")
            seen[str(account_id)] = party = self._party(account)
            self.account_ids[party["key"]] = str(account_id)
            wanted.append(account.get("ParentId"))
        return list(seen.values())

    def _party(self, account: Record) -> dict[str, Any]:
        names = self.fields.account
        parent_id = account.get("ParentId")
        parent = self._account_key(self._account(parent_id, "Account.ParentId")) if parent_id else None
        return {
            "key": self._account_key(account),
            "name": str(account.get(names["name"]) or ""),
            "parent": parent,
            "active": account.get(names["active"]) is not False,
            "pays_for_itself": account.get(names["pays_for_itself"]) is True,
            "billing_address": self._address(account),
            "email": str(account.get(names["email"]) or ""),
        }

    def _address(self, account: Record) -> dict[str, str] | None:
        names = self.fields.account
        if not account.get(names["country"]):
            return None
        country = self._country(account[names["country"]], f"Account.{names['country']}")
        rest = {part: str(account.get(names[part]) or "") for part in ("region", "city", "postal_code", "line1")}
        return {"country": country, **rest}

    def _country(self, value: object, field: str) -> str:
        """A two-letter code, or a name that options["countries"] translates."""
        name = str(value or "")
        code = str(self.options.get("countries", {}).get(name, name))
        if not re.fullmatch(r"[A-Z]{2}", code):
            raise Unmappable(field, f"{name!r} is no two-letter country code and options.countries has no code for it")
        return code

    def _named(self, error: msgspec.ValidationError, lines: list[Record]) -> Unmappable:
        """`… - at $.lines[0].quantity` said with the field's Salesforce name and the line's id."""
        text, _, path = str(error).partition(" - at ")
        words = _PATH_WORDS.findall(path)
        last = words[-1] if words else ""
        where = re.search(r"\$\.lines\[(\d+)]", path)
        if where:
            part = {"amount_minor": "amount", "discount_minor": "discount"}.get(words[1], words[1])
            part = last if part == "billing" else part
            name = self.fields.line.get(part) or last
            return Unmappable(name, f"line {lines[int(where.group(1))].get('Id')}: {text}")
        if "parties" in words:
            return Unmappable(f"Account.{self.fields.account.get(last) or last}", text)
        table = self.fields.line if "groups" in words else self.fields.opportunity
        return Unmappable(table.get(last) or table.get(f"ship_to_{last}") or last, text)


def _of(line: Record, fields: Fields, part: str) -> Any:
    return line.get(fields.line[part])


def _line_needed(line: Record, fields: Fields, part: str) -> str:
    value = _of(line, fields, part)
    if value in (None, ""):
        raise Unmappable(fields.line[part] or part, f"is empty on line {line.get('Id')}")
    return str(value)


def _label(value: object) -> str:
    """A picklist label as our word: `One-time` → one_time."""
    return re.sub(r"[^a-z0-9]+", "_", str(value).lower()).strip("_")


def _decimal(value: object, field: str) -> Decimal:
    if value is None or isinstance(value, bool):
        raise Unmappable(field, "is empty")
    try:
        number = Decimal(str(value))
    except InvalidOperation:
        raise Unmappable(field, f"{value!r} is not a number") from None
    if not number.is_finite() or (number and abs(number.adjusted()) >= WHOLE_DIGITS_MAX):
        raise Unmappable(field, f"{value!r} is not a number")
    return number


def digits(value: Decimal) -> str:
    """A decimal without exponent and trailing zeros: 10.0 → 10."""
    whole = value == value.to_integral_value()
    return f"{value.quantize(Decimal(1)) if whole else value.normalize():f}"


def _number(line: Record, fields: Fields, part: str, default: str) -> str:
    value = _of(line, fields, part)
    return default if value is None else digits(_decimal(value, fields.line[part]))


def _list_price(line: Record, fields: Fields) -> str | None:
    """Empty, or 0 as of what has no price of its own, is no price to compare with."""
    told = _number(line, fields, "list_price", "0")
    return told if Decimal(told) else None


def _json(line: Record, fields: Fields, part: str) -> Any:
    """JSON text kept in a long text field; its numbers become decimal strings, as documents have them."""
    text = _of(line, fields, part)
    if text in (None, ""):
        return None
    try:
        return json.loads(str(text), parse_float=str, parse_int=str)
    except (json.JSONDecodeError, RecursionError) as error:
        name = fields.line[part]
        raise Unmappable(name, f"is not JSON on line {line.get('Id')}: {error}") from None


def _json_list(line: Record, fields: Fields, part: str) -> Any:
    found = _json(line, fields, part)
    return [] if found is None else found
