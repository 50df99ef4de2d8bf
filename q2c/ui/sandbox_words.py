"""Plain words for the records of the sandboxes: what a kind is called, what a switch in it does."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from q2c.ui import formats
from q2c.ui.words import plain


@dataclass(frozen=True)
class Toggle:
    """A field that is yes or no: the state it names, the button that leads there, and what was done then."""

    yes: str
    no: str
    to_yes: str
    to_no: str
    became_yes: str
    became_no: str
    # Whether yes is what keeps documents out.
    yes_blocks: bool = True


_CLOSED = Toggle("Closed", "Open", "Close", "Open again", "closed", "opened again")
_LOCKED = Toggle("Locked", "Not locked", "Lock", "Unlock", "locked", "unlocked")
_INACTIVE = Toggle("Inactive", "Active", "Deactivate", "Reactivate", "deactivated", "reactivated")
_ACTIVE = Toggle("Active", "Inactive", "Reactivate", "Deactivate", "reactivated", "deactivated", yes_blocks=False)
_HOLD = Toggle("On hold", "Free", "Put on hold", "Release", "put on hold", "released")
TOGGLES: dict[str, Toggle] = {
    "closed": _CLOSED, "allLocked": _LOCKED, "isInactive": _INACTIVE, "Active__c": _ACTIVE, "IsActive": _ACTIVE,
    "active": _ACTIVE, "on_hold": _HOLD,
}  # fmt: skip

# Words of fields that are no toggles, where the platform's own name says little.
LABELS = {
    "lockedSubsidiaries": "Locked for subsidiaries", "Order_Number__c": "Order number", "StageName": "Stage",
    "Contract_Entity__c": "Contract entity", "ProductCode": "Product", "nexus": "Registered in",
    "closed": "State", "allLocked": "Lock", "isInactive": "State", "Active__c": "State", "IsActive": "State",
    "active": "State", "on_hold": "Hold",
}  # fmt: skip


@dataclass(frozen=True)
class Words:
    """`shown` are the body's fields that tell a record from its neighbours; the first that is there is its name."""

    title: str
    shown: Sequence[str] = ()

    def name_of(self, record: Mapping[str, Any]) -> str:
        body = record["body"]
        found = next((str(body[field]) for field in self.shown if body.get(field)), "")
        return found or str(record["number"] or record["external_id"] or record["id"])

    def beside(self, record: Mapping[str, Any]) -> str:
        """What else is known of it, in a few words; ids that say the same are left out."""
        name, body = self.name_of(record), record["body"]
        found = [str(body[field]) for field in self.shown if body.get(field)]
        found += [str(record[key]) for key in ("number", "external_id") if record[key]]
        return " · ".join(dict.fromkeys(text for text in found if text != name))

    def said(self, changed: Mapping[str, Any]) -> str:
        """'closed', 'soft limit is 3000.00 now'."""
        parts = []
        for field, value in changed.items():
            toggle = TOGGLES.get(field)
            if toggle is not None and isinstance(value, bool):
                parts.append(toggle.became_yes if value else toggle.became_no)
            else:
                shown = ", ".join(map(str, value)) if isinstance(value, list) else value
                parts.append(f"{label(field).lower()} is {'empty' if shown in (None, '') else shown} now")
        return ", ".join(parts)

    def then(self, changed: Mapping[str, Any]) -> str:
        """What comes of it in the control room."""
        toggles = [(TOGGLES[field], value) for field, value in changed.items() if field in TOGGLES]
        if any(value == toggle.yes_blocks for toggle, value in toggles):
            return "What needs it from now on becomes a case."
        return "What waited for that is offered within half a minute; nothing is replayed by itself."


@dataclass(frozen=True)
class Act:
    """What is done to a whole record by its number: the button, what was done then, and what comes of it. `day` labels
    the day that it takes; what stands there at first is the record's `day_field`, else today. `undoes` what ended the
    record (ENDED): it is offered then, and the others are not.
    """

    button: str
    did: str
    then: str
    day: str = ""
    day_field: str = ""
    undoes: bool = False


_HEARD = "q2c is told by a callout, and reads it anew; what is booked already becomes a case."
ACTS: dict[str, Act] = {
    "void-invoice": Act("Void", "voided", _HEARD),
    "redate-invoice": Act("Re-date", "dated {on} now", _HEARD, day="New date", day_field="invoiceDate"),
    "cancel-subscription": Act(
        "Cancel",
        "cancelled as of {on}",
        "What is billed beyond that day, the next bill run credits: run billing, above.",
        day="As of",
    ),
    "keep-subscription": Act(
        "Take back the cancellation",
        "goes on to the end of its term",
        "q2c reads it with its next poll; a case that its cancellation opened ends by itself.",
        undoes=True,
    ),
}
# Of a record, by the field that says so, that it has ended there: that may be undone, or nothing more is done to it.
ENDED = {"invoice": ("status", ("Canceled", "Reversed")), "subscription": ("cancelledOn", ())}


def _some(count: int, noun: str) -> str:
    return f"{formats.number(count)} {noun}{'' if count == 1 else 's'}"


def _billed(came: Mapping[str, Any]) -> tuple[str, str]:
    posted, left_out = int(came["invoices"]), len(came["errors"])
    said = f"it posted {_some(posted, 'invoice')}" if posted else "nothing was due that is not billed yet"
    if left_out:
        said += f"; left out, since the account is not active: {_some(left_out, 'subscription')}"
    return said, "q2c is told of each by a callout, and takes it in by itself." if posted else ""


@dataclass(frozen=True)
class Run:
    """What a user of a platform starts for all of it, up to a day: the day's label, the button, what was done, and from
    its answer what came of it and what follows.
    """

    label: str
    button: str
    did: str
    came: Callable[[Mapping[str, Any]], tuple[str, str]]


RUNS: dict[str, Run] = {"bill-run": Run("Run billing until", "Run billing", "billing ran until {until}", _billed)}


_KINDS: dict[tuple[str, str], Words] = {
    ("netsuite", "accountingPeriod"): Words("Periods", ("periodName",)),
    ("netsuite", "department"): Words("Departments", ("name",)),
    ("netsuite", "classification"): Words("Classes", ("name",)),
    ("netsuite", "location"): Words("Locations", ("name",)),
    ("netsuite", "account"): Words("Accounts", ("acctNumber", "acctName")),
    ("netsuite", "item"): Words("Items", ("itemId", "displayName")),
    ("netsuite", "customer"): Words("Customers", ("companyName", "entityId")),
    ("salesforce", "Account"): Words("Accounts", ("Name", "AccountNumber")),
    ("salesforce", "Opportunity"): Words("Opportunities", ("Name", "Order_Number__c")),
    ("salesforce", "Product2"): Words("Products", ("ProductCode", "Name")),
    ("zuora", "account"): Words("Accounts", ("name", "accountNumber")),
    ("zuora", "product"): Words("Products", ("name", "sku")),
    ("zuora", "invoice"): Words("Invoices", ("accountNumber",)),
    ("zuora", "subscription"): Words("Subscriptions", ("accountName", "accountNumber")),
    ("avatax", "company"): Words("Companies", ("code", "name")),
    ("avatax", "rate"): Words("Rates", ("name", "type", "country", "region", "tax_code")),
    ("avatax", "bad_address"): Words("Bad addresses", ("country", "region", "postal_code")),
    ("credit", "customer"): Words("Credit limits", ("name", "currency")),
}


def kind_words(vendor: str, kind: str) -> Words:
    """A kind that nobody has worded yet is called as the platform calls it."""
    return _KINDS.get((vendor, kind)) or Words(spaced(kind), ("name", "Name"))


def act_words(verb: str) -> Act:
    """One that nobody has worded yet is called as its control verb, and takes no day."""
    return ACTS.get(verb) or Act(spaced(verb), f"{spaced(verb).lower()} was done", "")


def run_words(verb: str) -> Run:
    """One that nobody has worded yet is called as its control verb."""
    name = spaced(verb)
    return RUNS.get(verb) or Run(
        f"{name} until", name, f"{name.lower()} until {{until}}", lambda came: ("it was done", "")
    )


def label(field: str) -> str:
    return LABELS.get(field) or spaced(field)


def spaced(name: str) -> str:
    """isInactive → "Is inactive", Contract_Entity__c → "Contract entity"."""
    text = re.sub(r"(?<=[a-z])(?=[A-Z])", " ", name.removesuffix("__c")).replace("-", " ")
    return plain(text).capitalize()


# Where a blocker that a connector names is found among the records that may be changed: (vendor, its type) → kind.
_PLACES = {
    ("netsuite", "fiscal_period"): "accountingPeriod", ("netsuite", "account"): "account",
    ("netsuite", "customer"): "customer", ("zuora", "product"): "product", ("zuora", "account"): "account",
    ("zuora", "subscription"): "subscription",
    ("avatax", "tax_company"): "company", ("avatax", "tax_nexus"): "company",
    ("credit", "credit_limit"): "customer", ("credit", "credit_customer"): "customer",
}  # fmt: skip
_SEGMENTS = {"department": "department", "class": "classification", "location": "location"}


def place_of(vendor: str, kind: str, key: str, options: Mapping[str, Any]) -> tuple[str, str] | None:
    """(kind of record, what it is found by) of what stands in the way; dimensions by the connection's segments."""
    segment = options.get("segments", {}).get(kind, "") if vendor == "netsuite" else ""
    found = _PLACES.get((vendor, kind)) or _SEGMENTS.get(segment)
    return (found, key.partition(":")[0] if kind == "tax_nexus" else key) if found else None
