"""The PyPI client netsuite, which is not ours, signs with authlib and finds in the sandbox the account it expects.

It speaks to https://<account>.suitetalk.api.netsuite.com only: its addresses are turned to the sandbox. It knows no
OAuth 2.0; those assertions are refereed by PyJWT alone (test_sign_in.py).
"""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from typing import Any

import pytest
from netsuite import Config, NetSuiteRestApi, TokenAuth
from netsuite.exceptions import NetsuiteAPIRequestError

from q2c.connectors.netsuite.suiteql import _JOURNALS, literal
from q2c.connectors.outcomes import NotFound, Posted, Rejected
from tests.connectors.control import sandbox_url
from tests.connectors.netsuite import books
from tests.connectors.netsuite.test_sandbox import entry

pytestmark = [
    pytest.mark.referee,
    # Its ways of calling httpx and oauthlib have aged.
    pytest.mark.filterwarnings("ignore:Use 'content:DeprecationWarning"),
    pytest.mark.filterwarnings("ignore:use sign_hmac:DeprecationWarning"),
]


class Turned(NetSuiteRestApi):
    def _make_url(self, subpath: str) -> str:
        return f"{sandbox_url('netsuite')}/services/rest{subpath}"


def client(**changes: str) -> Turned:
    auth = TokenAuth(**(books.TBA | changes))
    return Turned(Config(account=books.ACCOUNT, auth=auth))


def done(call: Coroutine[Any, Any, Any]) -> Any:
    return asyncio.run(call)


def test_its_signature_is_accepted_and_a_wrong_one_is_not(account):
    found = done(client().suiteql("SELECT symbol FROM currency ORDER BY symbol", limit=2))
    assert [row["symbol"] for row in found["items"]] == ["EUR", "JPY"] and found["hasMore"]
    second = done(client().suiteql("SELECT symbol FROM currency ORDER BY symbol", limit=2, offset=2))
    assert [row["symbol"] for row in second["items"]] == ["KWD", "USD"] and not second["hasMore"]
    with pytest.raises(NetsuiteAPIRequestError, match="INVALID_LOGIN"):
        done(client(token_secret="another").suiteql("SELECT id FROM currency"))


def test_what_it_posts_our_connector_reads(account, netsuite):
    journal = books.journal()
    body = entry(journal.key) | {"line": {"items": [
        {"account": {"externalId": "1100"}, "debit": 1250, "entity": {"externalId": "C-100"}},
        {"account": {"externalId": "4000"}, "credit": 1250, "department": {"externalId": "CC-100"},
         "class": {"externalId": "platform"}},
    ]}}  # fmt: skip
    assert isinstance(netsuite.find([journal])[0], NotFound)
    assert done(client().post("/record/v1/journalEntry", json=body)) is None
    assert isinstance(netsuite.find([journal])[0], Posted)
    assert isinstance(netsuite.find([books.journal(lines=books.sale(1))])[0], Rejected)


def test_what_our_connector_posts_it_reads(account, netsuite):
    journal = books.journal()
    (posted,) = netsuite.post([journal])
    found = done(client().get(f"/record/v1/journalEntry/{posted.reference}", params={"expandSubResources": "true"}))
    assert (found["externalId"], found["tranId"], found["tranDate"]) == (journal.key, posted.document, "2026-03-15")
    # Its second number, which its lists show, is kept too.
    assert found["transactionNumber"] == posted.also and posted.also.startswith("JOURNAL")
    assert found["line"]["items"][1]["credit"] == 1250
    rows = done(client().suiteql(
        _JOURNALS.format(where=f"t.externalid = {literal(journal.key)}", **netsuite.masters.columns)
    ))  # fmt: skip
    assert [row["foreignamount"] for row in rows["items"]] == ["1250", "-1250"]


@pytest.mark.parametrize(
    ("changes", "code"),
    [({"tranDate": "2026-02-01"}, "USER_ERROR"), ({"subsidiary": {"id": "99"}}, "INVALID_CONTENT")],
)
def test_it_is_told_what_was_refused(account, changes, code):
    with pytest.raises(NetsuiteAPIRequestError, match=code) as refused:
        done(client().post("/record/v1/journalEntry", json=entry(**changes)))
    assert refused.value.status_code == 400
