"""Bar charts as SVG: a panel for each question, a bar for each peer, from zero."""

from __future__ import annotations

from html import escape
from typing import TYPE_CHECKING

import attrs

from benchmarks.drawing import COLOURS, STYLE
from benchmarks.report import number

if TYPE_CHECKING:
    from collections.abc import Sequence

    from benchmarks.measure import Spread

WIDTH, LEFT, RIGHT = 720, 150, 90
TITLE, BAR, GAP, MARGIN = 24, 12, 5, 14
OURS_COLOUR, OTHERS_COLOUR = COLOURS[0], "#8c959f"


@attrs.frozen
class Bar:
    """One bar: the median, with a thin line from the least to the most."""

    name: str
    value: Spread
    is_ours: bool


@attrs.frozen
class Panel:
    """Bars that share a scale."""

    title: str
    bars: Sequence[Bar]


def draw_bars(title: str, panels: Sequence[Panel]) -> str:
    """All panels, one below the other."""
    parts: list[str] = []
    y = TITLE + MARGIN
    for panel in panels:
        parts += _panel(panel, y)
        y += TITLE + len(panel.bars) * (BAR + GAP) + MARGIN
    return "\n".join(
        [
            f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {y}" font-family="sans-serif" font-size="11">{STYLE}',
            f"<title>{escape(title)}</title>",
            f'<rect class="paper" width="{WIDTH}" height="{y}"/>',
            f'<text x="{MARGIN}" y="{TITLE}" font-size="14">{escape(title)}</text>',
            *parts,
            "</svg>",
            "",
        ]
    )


def _panel(panel: Panel, top: int) -> list[str]:
    longest = max((bar.value.most for bar in panel.bars), default=0.0) or 1.0
    parts = [f'<text x="{MARGIN}" y="{top + 13}" font-weight="bold">{escape(panel.title)}</text>']
    for place, bar in enumerate(panel.bars):
        parts += _bar(bar, top + TITLE + place * (BAR + GAP), (WIDTH - LEFT - RIGHT) / longest)
    return parts


def _bar(bar: Bar, y: int, scale: float) -> list[str]:
    colour = OURS_COLOUR if bar.is_ours else OTHERS_COLOUR
    least, median, most = (value * scale for value in (bar.value.least, bar.value.median, bar.value.most))
    middle = y + BAR / 2
    return [
        f'<text x="{LEFT - 6}" y="{y + 10}" text-anchor="end">{escape(bar.name)}</text>',
        f'<rect class="bar" x="{LEFT}" y="{y}" width="{median:.1f}" height="{BAR}" fill="{colour}"/>',
        f'<line class="grid" x1="{LEFT + least:.1f}" y1="{middle}" x2="{LEFT + most:.1f}" y2="{middle}" stroke-width="2"/>',
        f'<text x="{LEFT + max(median, most) + 5:.1f}" y="{y + 10}">{number(bar.value.median)}</text>',
    ]
