"""No page is wider than the screen, and no note makes a table lose its columns: with an invoice that billing moved.

DE01 sells O-1 to Acme on 3 November 2026; INV-1 is booked in November, and billing dates it in December by now.
"""

from __future__ import annotations

import datetime as dt
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from django.conf import settings

from exceptions.models import Case
from q2c import clock
from q2c.models import Invoice
from tests.browser.conftest import CHROMIUM, FLAGS, PICTURES
from tests.ui.people import of_role, page, signed_in
from tests.ui.test_differences_told import again, boss_of, invoice
from tests.ui.test_given_up_told import NOW

__all__ = ["invoice"]
pytestmark = pytest.mark.django_db
WIDTHS = (1280, 1440, 390)
STYLED = re.compile(r'<link rel="stylesheet" href="/static/([^"]+?)(?:\.[0-9a-f]{12})?\.css">')
# How far the page reaches to the right, and how much of its widest table is out of its box.
REACH = """() => [document.documentElement.scrollWidth,
    Math.max(0, ...[...document.querySelectorAll('.scroll')].map(box => box.scrollWidth - box.clientWidth))]"""


@pytest.fixture(autouse=True)
def _noon() -> Iterator[None]:
    with clock.at(NOW):
        yield


@pytest.fixture
def moved(invoice: Invoice) -> Case:
    again(invoice, "2", 1, issued_on=dt.date(2026, 12, 1))
    return Case.objects.get(reason="invoice_changed")


def styled(html: str) -> str:
    """The page with its sheets in it, so that a browser lays it out without a server; no script runs."""
    html = re.sub(r"<script.*?</script>", "", html, flags=re.DOTALL)
    found, count = STYLED.subn(lambda link: f"<style>{_sheet(link[1])}</style>", html)
    assert count > 3, "no sheets were found"
    return found


def _sheet(name: str) -> str:
    return (Path(settings.BASE_DIR) / "static" / f"{name}.css").read_text()


def laid_out(pages: dict[str, str]) -> dict[tuple[str, int], list[int]]:
    """By page and width: how far it reaches, and how much of its widest table is out of sight, in pixels."""
    from playwright.sync_api import sync_playwright

    PICTURES.mkdir(parents=True, exist_ok=True)
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=FLAGS)
        try:
            return {(at, width): _measured(browser, at, html, width) for width in WIDTHS for at, html in pages.items()}
        finally:
            browser.close()


def _measured(browser: Any, address: str, html: str, width: int) -> list[int]:
    screen = browser.new_page(viewport={"width": width, "height": 900})
    screen.set_content(html)
    found: list[int] = screen.evaluate(REACH)
    if address == "/queue":
        for scheme in ("light", "dark"):
            screen.emulate_media(color_scheme=scheme)
            screen.screenshot(path=PICTURES / f"queue-moved-invoice-{scheme}-{width}.png", full_page=True)
    screen.close()
    return found


def test_no_page_is_wider_than_the_screen_while_an_invoice_is_moved(moved: Case, invoice: Invoice) -> None:
    client = signed_in(boss_of())
    addresses = [
        "/", "/queue", "/problems", f"/problems/{moved.problem_id}", f"/cases/{moved.id}", "/orders",
        f"/orders/{invoice.order_id}", "/invoices", f"/invoices/{invoice.id}", "/journals", "/replays", "/approvals",
    ]  # fmt: skip
    pages = {address: styled(page(client, address)) for address in addresses}
    assert "counts in" in pages["/queue"]
    found = laid_out(pages)
    assert {at: reach for at, (reach, _) in found.items() if reach > at[1]} == {}
    assert {at: out for at, (_, out) in found.items() if out} == {}


def test_why_a_button_is_locked_is_read_in_full(moved: Case) -> None:
    """Wherever in its row it stands, under the pointer or with the focus."""
    from playwright.sync_api import sync_playwright

    html = styled(page(signed_in(of_role("arthur", "Auditor")), f"/cases/{moved.id}"))
    cut_off, seen = [], 0
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=FLAGS)
        for width in WIDTHS:
            screen = browser.new_page(viewport={"width": width, "height": 900})
            screen.set_content(html)
            for locked in screen.locator(".denied:visible").all():
                locked.locator("button").focus()
                box = locked.locator(".because").bounding_box()
                assert box is not None
                seen += 1
                if box["x"] < 0 or box["x"] + box["width"] > width or box["y"] < 0 or box["y"] + box["height"] > 900:
                    cut_off.append((width, locked.inner_text(), box))
        browser.close()
    assert seen >= 3 * len(WIDTHS) and cut_off == []
