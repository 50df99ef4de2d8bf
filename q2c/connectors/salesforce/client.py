"""Salesforce as a DealSource: closed-won opportunities by SOQL, with lines and all accounts above; write-back."""

from __future__ import annotations

import datetime as dt
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any
from urllib.parse import quote_plus

from q2c import clock
from q2c.connectors.http import Answer, Http, Lost, NotSent, json_body, retry_after_s
from q2c.connectors.outcomes import (
    Lookup,
    NotFound,
    Outcome,
    Posted,
    ReadFailed,
    Rejected,
    Unavailable,
    Unknown,
    credentials_refused,
)
from q2c.connectors.ports import BadDeal, ConnectionConfig, Deal, DealNotice
from q2c.connectors.salesforce.fields import PARENT_PATHS, Fields, quoted
from q2c.connectors.salesforce.mapping import bill_to_ids, deal_of, lines_of, notice_of, unreadable
from q2c.connectors.salesforce.session import Refusal, Session, errors_of
from q2c.connectors.salesforce.webhook import long_id
from q2c.reasons import Reason

# The platform refuses addresses from about 16,000 characters.
SOQL_MAX = 14_000
WRITE_BACK = {"order_number": "Billing_Order_Number__c", "status": "Billing_Status__c"}
_ID = re.compile(r"^[A-Za-z0-9]{15}(?:[A-Za-z0-9]{3})?\Z")
_COLUMN = re.compile(r"No such column '([^']+)'")
_BUSY = {"REQUEST_LIMIT_EXCEEDED", "UNABLE_TO_LOCK_ROW", "TXN_SECURITY_METERING_ERROR"}
_BUSY_WAIT_S = 60.0
# What was kept of a query for its next page is gone: after two days, or with many queries open at once.
_GONE = "INVALID_QUERY_LOCATOR"
_MISSING = {"NOT_FOUND", "ENTITY_IS_DELETED", "INVALID_CROSS_REFERENCE_KEY"}
_RIGHTS = {"INVALID_SESSION_ID", "API_DISABLED_FOR_ORG", "API_CURRENTLY_DISABLED", "INVALID_LOGIN"}

Record = dict[str, Any]


class Salesforce:
    """Options: api_version, batch_size, fields, countries, currency, write_back, login_url, audience.

    docs/connectors/salesforce.md tells each. `api_usage` is (used, allowed) of the rolling day, as last answered.
    """

    def __init__(self, config: ConnectionConfig) -> None:
        self.config = config
        self.fields = Fields.of(config.options)
        self.root = f"/services/data/{config.options.get('api_version', 'v61.0')}"
        self.session = Session(config, Http(config))

    @property
    def api_usage(self) -> tuple[int, int] | None:
        return self.session.api_usage

    def probe(self) -> Unavailable | Rejected | None:
        found = self.limits()
        return None if isinstance(found, dict) else found

    def limits(self) -> dict[str, Any] | Rejected | Unavailable:
        """`{"DailyApiRequests": {"Max": …, "Remaining": …}, …}`."""
        try:
            return dict(self._read(f"{self.root}/limits"))
        except ReadFailed as failure:
            return failure.outcome

    def changed_deals(self, since: dt.datetime) -> Iterator[DealNotice]:
        """Ordered by SystemModstamp, then Id; of the recycle bin, too. Raises ReadFailed where the platform does not
        answer to the end."""
        moment = since.astimezone(dt.UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
        yield from self._notices(f"WHERE SystemModstamp >= {moment} ORDER BY SystemModstamp, Id")

    def _notices(self, where: str) -> Iterator[DealNotice]:
        for records in self._pages(f"{self.fields.notice_query()} {where}", "queryAll"):
            for record in records:
                yield notice_of(record, self.fields)

    def deals(self, source_ids: Sequence[str]) -> Iterator[Deal | BadDeal]:
        """Those of them that are won, in the same order as changes are. Raises ReadFailed."""
        tail = ") AND IsWon = true ORDER BY SystemModstamp, Id"
        for soql in self._queries_by_id(self.fields.deal_query(), sorted(source_ids), tail):
            for records in self._pages(soql):
                yield from self._deals(records)

    def deal(self, source_id: str) -> Deal | BadDeal | DealNotice | None:
        """One deal; only told of where it is not won, or in the recycle bin. Raises ReadFailed."""
        if not _ID.match(source_id):
            return None
        where = f"WHERE Id = {quoted(long_id(source_id))}"
        for records in self._pages(f"{self.fields.deal_query()} {where} AND IsWon = true"):
            for deal in self._deals(records):
                return deal
        # Won since the first question: the next poll, or callout, reads it.
        return next((notice for notice in self._notices(where) if not notice.won), None)

    def write_back(self, source_id: str, fields: Mapping[str, str]) -> Outcome:
        """Sets fields of the opportunity; `order_number` and `status` go to their configured names.

        A lost answer is unknown: Salesforce may commit it late, over a newer status.
        """
        if not _ID.match(source_id):
            return _no_id(source_id)
        body = self._body(fields)
        try:
            headers = {"Content-Type": "application/json"}
            answer = self.session.send("PATCH", self._deal_path(source_id), headers=headers, body=json_body(body))
        except Refusal as refusal:
            return refusal.outcome
        except NotSent as error:
            return Unavailable(text=f"Salesforce cannot be reached: {error}")
        except Lost as error:
            return Unknown(text=f"Salesforce did not answer the write-back: {error}")
        if answer.ok:
            return Posted(reference=source_id, proof={"posted_at": clock.now().isoformat(), "fields": body})
        return refused(answer, writes=True)

    def find_write_back(self, source_id: str, fields: Mapping[str, str]) -> Lookup:
        """Posted where the opportunity holds these values, else NotFound. No index delays a read by id."""
        if not _ID.match(source_id):
            return _no_id(source_id)
        body, searched_at = self._body(fields), clock.now()
        try:
            found = self._read(self._deal_path(source_id), {"fields": ",".join(body)})
        except ReadFailed as failure:
            return failure.outcome
        if any(str(found.get(name)) != value for name, value in body.items()):
            return NotFound(searched_at=searched_at)
        return Posted(reference=source_id, found=True, proof={"found_at": searched_at.isoformat(), "fields": body})

    def _body(self, fields: Mapping[str, str]) -> dict[str, str]:
        names = {**WRITE_BACK, **self.config.options.get("write_back", {})}
        return {names.get(name, name): value for name, value in fields.items()}

    def _deal_path(self, source_id: str) -> str:
        return f"{self.root}/sobjects/Opportunity/{source_id}"

    def _deals(self, records: list[Record]) -> Iterator[Deal | BadDeal]:
        sound = []
        for record in records:
            try:
                self._complete_lines(record)
                bill_to_ids(record, self.fields)
            except (AttributeError, KeyError, TypeError, ValueError) as error:
                yield unreadable(record, error)
            else:
                sound.append(record)
        accounts = self._accounts(sound)
        for record in sound:
            yield deal_of(record, accounts, self.config.options)

    def _complete_lines(self, record: Record) -> None:
        """A deal with more lines than a page holds has an address of its own for the rest."""
        children = record.get("OpportunityLineItems")
        if children and not children.get("done", True):
            rest = [each for page in self._walk(self._read(children["nextRecordsUrl"])) for each in page]
            children["records"] = [*children["records"], *rest]
            if len(children["records"]) != children["totalSize"]:
                raise ReadFailed(Unavailable(text=f"Salesforce left out lines of opportunity {record.get('Id')}"))

    def _accounts(self, records: list[Record]) -> dict[str, Record]:
        """Every account of these deals and all above them, each asked for once, so that a loop ends."""
        wanted = {found for record in records for path in PARENT_PATHS if (found := _at(record, path))}
        wanted |= {key for record in records if lines_of(record) for key in bill_to_ids(record, self.fields)}
        known: dict[str, Record] = {}
        asked: set[str] = set()
        while wanted := {long_id(key) for key in wanted} - asked:
            asked |= wanted
            parents: set[str] = set()
            keys = sorted(key for key in wanted if _ID.match(key))
            for soql in self._queries_by_id(self.fields.account_query(), keys):
                for record in (each for page in self._pages(soql) for each in page):
                    known[str(record["Id"])] = record
                    parents |= {str(record["ParentId"])} if record.get("ParentId") else set()
            wanted = parents
        return known

    def _queries_by_id(self, query: str, ids: Iterable[str], tail: str = ")") -> Iterator[str]:
        """As few as addresses are long."""
        head = f"{query} WHERE Id IN ("
        length = len(quote_plus(head + tail))
        chunk: list[str] = []
        for key in ids:
            if chunk and length + (len(chunk) + 1) * 28 > SOQL_MAX:
                yield f"{head}{', '.join(chunk)}{tail}"
                chunk = []
            chunk.append(quoted(key))
        if chunk:
            yield f"{head}{', '.join(chunk)}{tail}"

    def _pages(self, soql: str, resource: str = "query") -> Iterator[list[Record]]:
        headers = {"Sforce-Query-Options": f"batchSize={self.config.options.get('batch_size', 500)}"}
        first = self._read(f"{self.root}/{resource}", {"q": soql}, headers)
        seen = 0
        for records in self._walk(first):
            seen += len(records)
            yield records
        if seen < int(first.get("totalSize") or 0):
            raise ReadFailed(Unavailable(text=f"Salesforce announced {first['totalSize']} records and gave {seen}"))

    def _walk(self, page: Mapping[str, Any]) -> Iterator[list[Record]]:
        """The records of a page and of all that follow it."""
        yield list(page.get("records") or [])
        while not page.get("done", True):
            page = self._read(str(page.get("nextRecordsUrl") or ""))
            yield list(page.get("records") or [])

    def _read(
        self, path: str, query: Mapping[str, str] | None = None, headers: Mapping[str, str] | None = None
    ) -> dict[str, Any]:
        try:
            answer = self.session.send("GET", path, query=query, headers=headers)
        except Refusal as refusal:
            raise ReadFailed(refusal.outcome) from None
        except (NotSent, Lost) as error:
            raise ReadFailed(Unavailable(text=f"Salesforce does not answer: {error}")) from None
        content = answer.json()
        if answer.ok and isinstance(content, dict):
            return content
        outcome = refused(answer, writes=False) if not answer.ok else None
        if isinstance(outcome, Rejected | Unavailable):
            raise ReadFailed(outcome)
        raise ReadFailed(Unavailable(text=f"Salesforce answered {answer.status} with something unreadable"))


def _no_id(source_id: str) -> Rejected:
    return Rejected(reason=Reason.RECORD_MISSING, text=f"{source_id!r} is no Salesforce id", field="Id")


def _at(record: Record, path: str) -> str:
    value: Any = record
    for name in path.split("."):
        value = value.get(name) if isinstance(value, dict) else None
    return str(value) if value else ""


def refused(answer: Answer, *, writes: bool) -> Rejected | Unavailable | Unknown:
    """What an answer that is no success means; a failure inside the platform may have come after the write."""
    error = next(iter(errors_of(answer)), {})
    code = str(error.get("errorCode") or answer.status)
    text = f"Salesforce: {error.get('message') or answer.text[:200] or answer.status}"
    if code in _BUSY or answer.status == 429:
        wait_s = retry_after_s(answer.headers) or _BUSY_WAIT_S
        return Unavailable(text=text, reason=Reason.PLATFORM_BUSY, retry_after_s=wait_s)
    if code == _GONE:
        # The platform is there, and nobody has anything to put right: the question is put anew, from where it stands.
        return Unavailable(text=text, reason=Reason.SOURCE_NOT_READ)
    if answer.status == 503:
        return Unavailable(text=text, retry_after_s=retry_after_s(answer.headers))
    if answer.status >= 500:
        return Unknown(text=text) if writes else Unavailable(text=text)
    if code in _RIGHTS or answer.status == 401:
        return credentials_refused(answer.connection, text, code)
    reason = Reason.RECORD_MISSING if code in _MISSING or answer.status == 404 else Reason.REQUEST_REFUSED
    named = _COLUMN.search(str(error.get("message") or ""))
    fields = error.get("fields") or ([named.group(1)] if named else [])
    return Rejected(reason=reason, code=code, text=text, field=", ".join(str(each) for each in fields))
