"""The NetSuite connector against its sandbox, over HTTP."""

from __future__ import annotations

import pytest

from q2c.connectors.outcomes import NotFound, Posted
from tests.connectors.netsuite import books


@pytest.mark.parametrize("oauth2", ["", "ES256", "PS256"], ids=["token", "ES256", "PS256"])
def test_a_journal_is_checked_posted_once_and_found(account, oauth2):
    netsuite, journal = books.connect(oauth2=oauth2), books.journal()
    assert netsuite.probe() is None
    assert netsuite.check([journal]) == [None]
    assert isinstance(netsuite.find([journal])[0], NotFound)
    (posted,) = netsuite.post([journal])
    assert isinstance(posted, Posted), posted
    assert posted.document.startswith("JE") and not posted.found
    (found,) = netsuite.find([journal])
    assert isinstance(found, Posted) and found.found
    assert found.reference == posted.reference
    (again,) = netsuite.post([journal])
    assert isinstance(again, Posted) and again.found, again
    assert len(account.records("journalEntry")) == 1
