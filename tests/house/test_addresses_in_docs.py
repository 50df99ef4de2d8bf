"""Each address of ours that a text for people names is one of ours: what connector pages say of vendors is not asked."""

from __future__ import annotations

import re
import uuid
from pathlib import Path

import pytest
from django.urls import Resolver404, resolve

ROOT = Path(__file__).parents[2]
TEXTS = sorted([*ROOT.glob("*.md"), *ROOT.glob("docs/**/*.md"), *ROOT.glob("companion/**/*.md")])
# Wherever it stands: on a host that is ours, or below the API.
_HOSTED = re.compile(r"https?://(?:<q2c>|…)(?P<path>/[^\s`\"']*)")
_API = re.compile(r"(?<![\w.…>/])(?P<path>/api/v1/[^\s`\"']+)")
# On pages that are about q2c alone, what stands by itself; docs/api.md leaves out what all its addresses begin with.
_PAGE = re.compile(r"`(?P<path>/[a-z][^\s`]*)`")
_CALL = re.compile(r"`(?:GET|POST|PUT|PATCH|DELETE) (?P<path>/(?!api/)[a-z][^\s`]*)`")
_OF_PAGES = ("README.md", "CONTRIBUTING.md", "docs/operating.md", "docs/pages.md")
_PLACE = re.compile(r"<[^>]*>|\{[^}]*\}")


def addresses(name: str, text: str) -> set[str]:
    """As a request would name them: whatever is to be put in is a UUID, which is a name, too."""
    # A place with blanks in its name is one word.
    said = _PLACE.sub(lambda place: place[0].replace(" ", "_"), text)
    found = {match["path"] for pattern in (_HOSTED, _API) for match in pattern.finditer(said)}
    if name in _OF_PAGES:
        found |= {match["path"] for match in _PAGE.finditer(said)}
    if name == "docs/api.md":
        found |= {f"/api/v1{match['path']}" for match in _CALL.finditer(said)}
    return {_PLACE.sub(str(uuid.UUID(int=1)), path.partition("?")[0]).rstrip(".,;:)") for path in found}


def is_ours(path: str) -> bool:
    try:
        return resolve(path).url_name != "api-not-found"
    except Resolver404:
        return False


@pytest.mark.parametrize("text", TEXTS, ids=lambda path: path.relative_to(ROOT).as_posix())
def test_each_address_of_ours_is_there(text: Path) -> None:
    name = text.relative_to(ROOT).as_posix()
    lost = sorted(path for path in addresses(name, text.read_text()) if not is_ours(path))
    assert not lost, f"{name} names addresses that q2c/urls.py does not have: {lost}"


def test_addresses_are_found_however_they_are_written() -> None:
    told = 'to `https://<q2c>/webhooks/<connection name>`, `/api/v1/orders/{id}` and "http://…/webhooks/zuora"'
    one = "00000000-0000-0000-0000-000000000001"
    assert addresses("docs/connectors/zuora.md", told) == {
        f"/webhooks/{one}", f"/api/v1/orders/{one}", "/webhooks/zuora",
    }  # fmt: skip
    assert addresses("docs/api.md", "`POST /cases/{id}/snooze`, pointer `/until`") == {f"/api/v1/cases/{one}/snooze"}
    assert addresses("docs/operating.md", "`/readyz` says") == {"/readyz"}
    assert not is_ours("/api/v1/nothing") and not is_ours("/webhooks/zuora") and is_ours(f"/api/v1/webhooks/{one}")
