"""The pages of the API in a browser: light and dark as all others, drawn under their policy, at both widths."""

from __future__ import annotations

import os
from typing import Any

import pytest
from django.contrib.auth import get_user_model
from django.test import Client

pytestmark = [
    pytest.mark.browser,
    pytest.mark.django_db(transaction=True),
    pytest.mark.skipif("Q2C_CHROMIUM" not in os.environ, reason="no Chromium found"),
]
# The nearest ground that covers, and the ink: [r, g, b] each.
_COLOURS = """name => { const numbers = (colour) => colour.match(/[\\d.]+/g).map(Number), part = document.querySelector(name);
  for (let at = part; at; at = at.parentElement) { const ground = numbers(getComputedStyle(at).backgroundColor);
    if ((ground[3] ?? 1) > 0.9) return [ground.slice(0, 3), numbers(getComputedStyle(part).color).slice(0, 3)]; } }"""
PARTS = ("body", ".opblock-get", ".opblock-post", ".info .title", ".opblock-body input")


def is_dark(page: Any, part: str) -> bool:
    """Whether what is behind a part is dark, and what stands on it light."""
    ground, ink = page.evaluate(_COLOURS, part)
    assert abs(sum(ground) - sum(ink)) > 250, f"{part}: {ink} on {ground}"
    return bool(sum(ground) < sum(ink))


def test_they_follow_the_system_and_the_switch(live_server: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    from playwright.sync_api import sync_playwright

    monkeypatch.setenv("DJANGO_ALLOW_ASYNC_UNSAFE", "1")
    client = Client()
    client.force_login(get_user_model().objects.create_superuser("ann"))
    session, wrong = client.cookies["sessionid"].value, []
    with sync_playwright() as play:
        chromium = play.chromium.launch(
            executable_path=os.environ["Q2C_CHROMIUM"], args=["--no-sandbox", "--disable-gpu"]
        )
        for width in (1280, 390):
            for scheme in ("light", "dark"):
                context = chromium.new_context(viewport={"width": width, "height": 900}, color_scheme=scheme)
                context.add_cookies([{"name": "sessionid", "value": session, "url": live_server.url}])
                page = context.new_page()
                page.on("console", lambda said: wrong.append(said.text) if said.type == "error" else None)
                page.goto(f"{live_server.url}/api/v1/docs")
                page.click(".opblock-get .opblock-summary-control >> nth=2")
                page.click(".try-out__btn")
                page.wait_for_selector(".opblock-body input:enabled")
                assert {is_dark(page, part) for part in PARTS} == {scheme == "dark"}, (width, scheme)
                assert page.evaluate("document.documentElement.scrollWidth - innerWidth") <= 0
                for theme in ("light", "dark"):
                    page.click(f"button[name=theme][value={theme}]")
                    page.wait_for_function(
                        "dark => document.documentElement.matches('.dark-mode') === dark", arg=theme == "dark"
                    )
                    page.wait_for_timeout(300)
                    assert {is_dark(page, part) for part in PARTS} == {theme == "dark"}, (width, scheme, theme)
                context.close()
        chromium.close()
    assert wrong == []
