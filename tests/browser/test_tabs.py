"""The chosen tab is in sight on any screen, without a script: on the pages of a sandbox with its many kinds of records."""

from __future__ import annotations

import pytest

from tests.browser.conftest import CHROMIUM, FLAGS, PICTURES
from tests.browser.test_widths import WIDTHS, styled
from tests.connectors.control import Control
from tests.connectors.netsuite import books
from tests.ui.people import page, person, signed_in

pytestmark = pytest.mark.django_db
# What of the chosen tab is out of the box of its tabs or off the screen, in pixels.
OUT = """() => {
    const tab = document.querySelector('.tabs [aria-current]').getBoundingClientRect();
    const box = document.querySelector('.tabs').getBoundingClientRect();
    const left = Math.max(0, box.left), right = Math.min(window.innerWidth, box.right);
    return Math.round(Math.max(0, left - tab.left, tab.right - right, tab.bottom - box.bottom));
}"""


def test_the_chosen_tab_is_wholly_in_sight_on_each_page_of_a_sandbox() -> None:
    from playwright.sync_api import sync_playwright

    PICTURES.mkdir(parents=True, exist_ok=True)
    netsuite = Control("netsuite")
    netsuite.reset()
    netsuite.seed(**books.group())
    kinds = [
        (vendor, kind)
        for vendor in ("netsuite", "zuora")
        for state in [Control(vendor).state()]
        for kind in (*state["editable"], *state["acts"])
    ]
    client = signed_in(person("pia", "q2c.use_sandbox", "q2c.change_connection"))
    pages = {kind: styled(page(client, f"/sandbox/{kind[0]}/records/{kind[1]}")) for kind in kinds}
    netsuite.reset()
    assert len(pages) > 8
    found = {}
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=FLAGS)
        for width in WIDTHS:
            screen = browser.new_page(viewport={"width": width, "height": 900})
            for kind, html in pages.items():
                screen.set_content(html)
                found[(width, *kind)] = screen.evaluate(OUT)
            screen.screenshot(path=PICTURES / f"sandbox-tabs-{width}.png")
        browser.close()
    assert {at: out for at, out in found.items() if out} == {}
