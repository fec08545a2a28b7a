"""Colors of a report: contrast of text with its background, in light, dark and print."""

from __future__ import annotations

import re

import pytest

from dr.evidence.render import TEMPLATES

LEAST = 4.5
"""Contrast of normal text (WCAG 2.2, success criterion 1.4.3)."""
THEMES = dict(
    zip(
        ("light", "dark", "print"),
        re.findall(r":root \{(.*?)\}", (TEMPLATES / "report.css").read_text(encoding="utf-8"), flags=re.DOTALL),
        strict=True,
    )
)
TONES = ("met", "missed", "unknown")
PAIRS = (
    *((text, back) for text in ("text", "muted") for back in ("back", *(f"{tone}-back" for tone in TONES))),
    *((tone, back) for tone in TONES for back in ("back", f"{tone}-back")),
    *(("on-phase", f"{kind}{number}") for kind, count in (("p", 6), ("r", 3)) for number in range(count)),
    ("text", "silent"),
)


def luminance(color: str) -> float:
    """Return the relative luminance of a color (WCAG 2.2, "relative luminance")."""
    parts = [int(color[start : start + 2], 16) / 255 for start in (1, 3, 5)]
    red, green, blue = (part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts)
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


@pytest.mark.parametrize("theme", THEMES)
@pytest.mark.parametrize(("text", "back"), PAIRS)
def test_text_has_enough_contrast(theme: str, text: str, back: str) -> None:
    colors = dict(re.findall(r"--([\w-]+): (#[0-9a-f]{6})", THEMES[theme]))
    low, high = sorted(luminance(colors[name]) for name in (text, back))

    assert (high + 0.05) / (low + 0.05) >= LEAST


def test_themes_define_the_same_colors() -> None:
    names = [set(re.findall(r"--([\w-]+):", block)) for block in THEMES.values()]

    assert names[0] == names[1] == names[2]
