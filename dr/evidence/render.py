"""The report as one HTML page, with nothing from elsewhere: no script, font or image, and inline CSS and SVG."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

from dr.evidence.clock import moment_or_none
from dr.evidence.drawing import drawings, regions_of
from dr.evidence.text import seconds_text

if TYPE_CHECKING:
    from markupsafe import Markup

    from dr.evidence.model import Page

NO_BREAK = "\N{NO-BREAK SPACE}"
TEMPLATES = Path(__file__).parent / "template"


def render(page: Page) -> str:
    """Return the page. All values are escaped."""
    from jinja2 import Environment, FileSystemLoader, StrictUndefined

    environment = Environment(
        loader=FileSystemLoader(TEMPLATES),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters |= {"duration": _duration, "clock": _clock, "day": _day, "code": _code, "stamp": _stamp}
    line = page.timeline
    return environment.get_template("report.html").render(
        page=page,
        style=(TEMPLATES / "report.css").read_text(encoding="utf-8"),
        drawings=drawings(line) if line else (),
        regions=regions_of(line) if line else (),
    )


def _duration(seconds: float | None) -> str:
    return "unknown" if seconds is None else seconds_text(seconds).replace(" ", NO_BREAK)


def _clock(time: datetime) -> str:
    return f"{time:%H:%M:%S}.{time.microsecond // 1000:03}"


def _day(time: datetime | None) -> str:
    return f"{time:%Y-%m-%d %H:%M:%S} UTC" if time else "unknown"


def _stamp(text: str) -> str:
    time = moment_or_none(text)
    return f"{time.astimezone(UTC):%Y-%m-%d} {_clock(time.astimezone(UTC))} UTC" if time else text


def _code(text: str) -> Markup:
    """Return a text as HTML, with what stands between backticks as code."""
    from markupsafe import Markup, escape

    parts = (
        f"<code>{escape(part)}</code>" if index % 2 else str(escape(part)) for index, part in enumerate(text.split("`"))
    )
    return Markup("".join(parts))  # noqa: S704 - each part is escaped
