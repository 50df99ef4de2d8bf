"""What every template keeps to, so that the strict content security policy holds."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
TEMPLATES = sorted((ROOT / "templates").rglob("*.html"))


@pytest.mark.parametrize("path", TEMPLATES, ids=lambda p: str(p.relative_to(ROOT)))
def test_no_template_asks_for_what_the_policy_refuses(path):
    text = path.read_text()
    assert not re.search(r"\sstyle=", text), "move the style into static/css"
    assert not re.search(r"<style\b", text), "move the style into static/css"
    assert not re.search(r"\son[a-z]+=|hx-on|hx-vals=.js:", text), "listen in static/js instead"
    assert not re.search(r"<script(?![^>]*\ssrc=)", text), "no inline script: a module in static/js"
    assert not re.search(r"(src|href)=.https?://", text), "nothing comes from another host"


@pytest.mark.parametrize("path", [p for p in TEMPLATES if p.parent.name == "parts"], ids=lambda p: p.name)
def test_every_part_is_used(path):
    name = f"parts/{path.name}"
    used = any(name in p.read_text() for p in TEMPLATES if p != path)
    assert used or any(name in p.read_text() for p in (ROOT / "q2c" / "ui").glob("*.py")), f"{name} is dead"


def test_no_script_is_minified_or_evaluates():
    for path in (ROOT / "static" / "js").glob("*.js"):
        text = path.read_text()
        assert max(len(line) for line in text.splitlines()) <= 130, f"{path.name} looks minified"
        assert not re.search(r"\beval\(|new Function|innerHTML|\.style\b", text), f"{path.name}: text and classes only"
