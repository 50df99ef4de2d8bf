"""The admin in a browser: nothing sticks out at 1280 and 390 px, nothing fails to load, light and dark."""

from __future__ import annotations

import os

import pytest
from django.urls import reverse

from ledger.models import FiscalPeriod, PostingRule
from q2c.models import Connection, Order
from tests.admin.test_pages import MODELS

pytestmark = [
    pytest.mark.browser,
    pytest.mark.django_db(transaction=True),
    pytest.mark.skipif("Q2C_CHROMIUM" not in os.environ, reason="no Chromium found"),
]


def pages():
    period = FiscalPeriod.objects.get(entity__code="DE01", subledger="receivables", name="2026-10")
    return [
        reverse("admin:index"),
        reverse("admin:ledger_fiscalperiod_changelist"),
        reverse("admin:ledger_fiscalperiod_change", args=[period.pk]),
        reverse("admin:ledger_fiscalperiod_history", args=[period.pk]),
        f"{reverse('admin:ledger_fiscalperiod_move', args=['reopen'])}?ids={period.pk}",
        reverse("admin:ledger_postingrule_change", args=[PostingRule.objects.first().pk]),
        reverse("admin:q2c_connection_change", args=[Connection.objects.first().pk]),
        reverse("admin:q2c_order_change", args=[Order.objects.first().pk]),
        reverse("admin:q2c_product_import"),
        reverse("admin:q2c_apikey_add"),
    ]


# Whether every column can be reached: (how much wider than its box, whether the box scrolls, how far its right edge lies
# beyond the window).
_BOX = """() => { const box = document.querySelector("#changelist .results"); if (!box) return null;
  return [box.scrollWidth - box.clientWidth, getComputedStyle(box).overflowX, box.getBoundingClientRect().right - innerWidth] }"""
# These fit whole at 1280 px, beside their filters.
WHOLE = {"q2c/itemmapping", "ledger/fiscalperiod", "ledger/account"}


def test_every_list_fits_or_scrolls_inside_its_box(browser, busy, live_server, monkeypatch):
    from playwright.sync_api import sync_playwright

    monkeypatch.setenv("DJANGO_ALLOW_ASYNC_UNSAFE", "1")
    session = browser().cookies["sessionid"].value
    names = [f"{model._meta.app_label}/{model._meta.model_name}" for model in MODELS]
    wrong, seen = [], set()
    with sync_playwright() as play:
        chromium = play.chromium.launch(
            executable_path=os.environ["Q2C_CHROMIUM"], args=["--no-sandbox", "--disable-gpu"]
        )
        for width in (1280, 390):
            context = chromium.new_context(viewport={"width": width, "height": 900})
            context.add_cookies([{"name": "sessionid", "value": session, "url": live_server.url}])
            page = context.new_page()
            for name in names:
                page.goto(f"{live_server.url}/admin/{name}/", wait_until="domcontentloaded")
                over, box = page.evaluate("document.documentElement.scrollWidth - innerWidth"), page.evaluate(_BOX)
                seen |= {name} if box else set()
                fits = box is None or (box[2] <= 0 and (box[0] <= 0 or box[1] == "auto"))
                if over > 0 or not fits or (width == 1280 and name in WHOLE and box[0] > 0):
                    wrong.append((name, width, over, box))
            context.close()
        chromium.close()
    assert wrong == []
    assert seen >= WHOLE


def test_pages_fit_and_load(browser, busy, live_server, monkeypatch):
    from playwright.sync_api import sync_playwright

    monkeypatch.setenv("DJANGO_ALLOW_ASYNC_UNSAFE", "1")
    session = browser().cookies["sessionid"].value
    addresses, wrong = pages(), []
    with sync_playwright() as play:
        chromium = play.chromium.launch(
            executable_path=os.environ["Q2C_CHROMIUM"], args=["--no-sandbox", "--disable-gpu"]
        )
        for width, scheme in ((1280, "light"), (390, "dark")):
            context = chromium.new_context(viewport={"width": width, "height": 900}, color_scheme=scheme)
            context.add_cookies([{"name": "sessionid", "value": session, "url": live_server.url}])
            page = context.new_page()
            # What was still loading as the page was left is no failure.
            page.on("requestfailed", lambda r: None if "ABORTED" in (r.failure or "") else wrong.append(r.url))
            page.on("console", lambda said: wrong.append(said.text) if said.type == "error" else None)
            for address in addresses:
                page.goto(live_server.url + address)
                over = page.evaluate("document.documentElement.scrollWidth - innerWidth")
                ground = page.evaluate("getComputedStyle(document.body).backgroundColor")
                dark = sum(int(part) for part in ground.strip("rgb()").split(",")[:3]) < 300
                if over > 0 or dark != (scheme == "dark"):
                    wrong.append(f"{address} at {width}: {over} px too wide, on {ground}")
            context.close()
        chromium.close()
    assert wrong == []
