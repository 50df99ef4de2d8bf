"""Where a person opens a document of an account."""

from __future__ import annotations

from urllib.parse import quote, urlsplit


def document(base_url: str, reference: str) -> str:
    """https://1234567.suitetalk.api.netsuite.com and an internal id → the transaction's page; empty for other hosts."""
    host = urlsplit(base_url).hostname or ""
    account, _, rest = host.partition(".")
    if rest != "suitetalk.api.netsuite.com" or not reference:
        return ""
    return f"https://{account}.app.netsuite.com/app/accounting/transactions/transaction.nl?id={quote(reference)}"
