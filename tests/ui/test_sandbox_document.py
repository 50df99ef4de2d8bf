"""From a journal to what the NetSuite sandbox holds of it: lines in both currencies, beside ours."""

from __future__ import annotations

from typing import Any

import pytest

from ledger.models import JournalEntry
from q2c.connectors.netsuite import addresses
from q2c.connectors.outcomes import Posted
from q2c.models import Connection
from q2c.ui import there
from tests import flow_makers as make
from tests.connectors.control import Control
from tests.connectors.netsuite import books
from tests.connectors.netsuite.test_own_currency import foreign
from tests.ui.people import boss, page, person, read

pytestmark = pytest.mark.django_db


@pytest.fixture
def account() -> Any:
    control = Control("netsuite")
    control.reset()
    control.seed(**books.group())
    yield control
    control.reset()


def test_a_document_is_opened_as_the_account_s_own_user_would(client: Any, account: Control) -> None:
    (posted,) = books.connect().post([foreign("cent", [10_033, -3_351, -6_682])])
    assert isinstance(posted, Posted), posted
    client.force_login(person("mia", "ledger.view_journalentry"))
    for key in (posted.reference, posted.document, foreign("cent", [1, -1]).key):
        text = read(client, f"/sandbox/netsuite/documents/{key}")
        for said in (
            posted.document, "Tern Systems GmbH", "Mar 15, 2026", "Mar 2026", "0.7301", "Receivables", "100.33", "73.26",
            "24.47", "48.79", "Balanced", "No journal that you may see",
        ):  # fmt: skip
            assert said in text, said
    page(client, "/sandbox/netsuite/documents/JE9", 404)
    page(client, "/sandbox/zuora/documents/JE9", 404)
    client.force_login(person("ann", "q2c.view_order"))
    assert "ledger.view_journalentry" in page(client, f"/sandbox/netsuite/documents/{posted.reference}", 403)


def test_beside_our_journal_each_line_says_whether_it_is_the_same(client: Any, account: Control) -> None:
    make.company()
    make.through("O-1", "INV-1")
    entry = JournalEntry.objects.get()
    lines = list(entry.lines.select_related("account").order_by("line"))
    numbers = sorted({line.account.code for line in lines})
    account.seed(accounts=[{"number": number, "name": f"Account {number}"} for number in numbers])
    document = books.journal(
        "ours",
        *(
            books.JournalLine(line=one.line, account=one.account.code, amount_minor=one.amount_minor)
            for one in lines
        ),
        key=entry.key, entity="DE", currency="EUR",
    )  # fmt: skip
    (posted,) = books.connect().post([document])
    assert isinstance(posted, Posted), posted
    client.force_login(boss())
    text = page(client, f"/sandbox/netsuite/documents/{posted.reference}")
    assert f'href="/journals/{entry.id}"' in text
    assert text.count("The same") == len(lines) and "Differs" not in text
    body = account.call("GET", f"records/journalEntry/{posted.reference}").json()["body"]
    items = body["line"]["items"]
    items[0]["account"] = items[1]["account"]
    account.edit("journalEntry", posted.reference, line={"items": items})
    text = page(client, f"/sandbox/netsuite/documents/{posted.reference}")
    assert "Differs" in text and text.count("The same") == len(lines) - 1


def test_journals_lead_to_their_document_there(client: Any) -> None:
    make.company()
    make.through("O-1", "INV-1")
    entry = JournalEntry.objects.get()
    client.force_login(boss())
    href = f"/sandbox/netsuite/documents/{entry.posted_reference}"
    assert f'href="{href}"' in page(client, f"/journals/{entry.id}")
    assert f'href="{href}"' in page(client, "/journals")
    # A real account's own page; nobody knows where others open theirs.
    real = "https://1234567-sb1.suitetalk.api.netsuite.com"
    Connection.objects.filter(name="erp-de01").update(base_url=real)
    assert list(there.journals([entry]).values()) == [addresses.document(real, entry.posted_reference)]
    Connection.objects.filter(name="erp-de01").update(base_url="https://elsewhere.example")
    assert there.journals([entry]) == {}


@pytest.mark.parametrize(
    ("base", "reference", "address"),
    [
        ("https://1234567.suitetalk.api.netsuite.com", "5307",
         "https://1234567.app.netsuite.com/app/accounting/transactions/transaction.nl?id=5307"),
        ("https://1234567-sb1.suitetalk.api.netsuite.com/", "53 07",
         "https://1234567-sb1.app.netsuite.com/app/accounting/transactions/transaction.nl?id=53%2007"),
        ("https://1234567.suitetalk.api.netsuite.com", "", ""),
        ("https://proxy.example", "5307", ""),
    ],
)  # fmt: skip
def test_where_a_document_of_a_real_account_is_opened(base: str, reference: str, address: str) -> None:
    assert addresses.document(base, reference) == address
