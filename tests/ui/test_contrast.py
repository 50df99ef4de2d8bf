"""The colours of the pages, held to WCAG 2.2 AA in light and in dark."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

CSS = Path(__file__).parents[2] / "static" / "css"
TOKENS = {
    name: (light, dark)
    for name, light, dark in re.findall(
        r"--([a-z0-9-]+): light-dark\((#[0-9a-f]{6}), (#[0-9a-f]{6})\)", (CSS / "base.css").read_text()
    )
}
GROUNDS = ("paper", "surface", "sunken", "raised", "hover")
INKS = ("ink", "ink-2", "ink-3", "accent")
TONES = ("good", "busy", "warn", "bad")


def luminance(colour: str) -> float:
    parts = [int(colour[i : i + 2], 16) / 255 for i in (1, 3, 5)]
    red, green, blue = (p / 12.92 if p <= 0.04045 else ((p + 0.055) / 1.055) ** 2.4 for p in parts)
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


def contrast(one: str, other: str) -> float:
    light, dark = sorted((luminance(one), luminance(other)), reverse=True)
    return (light + 0.05) / (dark + 0.05)


TEXT = (
    [(ink, ground) for ink in INKS for ground in GROUNDS]
    + [(tone, ground) for tone in TONES for ground in ("surface", "paper", "raised", f"{tone}-soft")]
    + [("ink", f"{tone}-soft") for tone in (*TONES, "quiet", "accent")]
    + [("ink-2", "quiet-soft"), ("ink-3", "quiet-soft"), ("ink-2", "warn-soft"), ("accent", "accent-soft")]
    + [("on-accent", "accent-fill"), ("on-accent", "accent-fill-hover"), ("paper", "ink")]
)


@pytest.mark.parametrize("theme", [0, 1], ids=["light", "dark"])
@pytest.mark.parametrize(("ink", "ground"), TEXT)
def test_text_can_be_read(ink, ground, theme):
    assert contrast(TOKENS[ink][theme], TOKENS[ground][theme]) >= 4.5


@pytest.mark.parametrize("theme", [0, 1], ids=["light", "dark"])
@pytest.mark.parametrize("ground", GROUNDS)
def test_borders_of_controls_and_the_focus_can_be_seen(ground, theme):
    assert contrast(TOKENS["edge"][theme], TOKENS[ground][theme]) >= 3
    assert contrast(TOKENS["accent"][theme], TOKENS[ground][theme]) >= 3


def test_no_part_names_a_colour_of_its_own():
    """Colours outside the tokens would be right in one theme only. White on the mark is the exception.

    The admin cannot load the tokens: its sheet repeats them, and names no other.
    """
    colour = re.compile(r"#[0-9a-fA-F]{3,8}\b")
    tokens = set(colour.findall((CSS / "base.css").read_text()))
    for sheet in CSS.glob("*.css"):
        allowed = {"base.css": tokens, "admin.css": tokens}.get(sheet.name, {"#fff"})
        found = set(colour.findall(sheet.read_text())) - allowed
        assert not found, f"{sheet.name}: use a token instead of {found}"
