"""Growth curves as SVG: sizes to the right, processor time upwards, both in powers of ten, so that flat is flat."""

from __future__ import annotations

import math
from html import escape
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from benchmarks.measure import Figure

WIDTH, HEIGHT = 720, 360
LEFT, RIGHT, TOP, BOTTOM = 70, 190, 30, 45
COLOURS = ("#0072b2", "#d55e00", "#009e73", "#cc79a7", "#56b4e9", "#e69f00")
"""Of Okabe and Ito: told apart by those who see colours differently, on light and on dark."""

STYLE = """
<style>
  .paper { fill: #ffffff } .grid { stroke: #d8d8d8 } text { fill: #222222 }
  @media (prefers-color-scheme: dark) { .paper { fill: #161b22 } .grid { stroke: #3a414a } text { fill: #e6e6e6 } }
</style>"""
"""Paper and ink change together, so that they can be told apart wherever the drawing is shown."""


def draw(title: str, curves: Mapping[str, Sequence[Figure]]) -> str:
    """All curves in one picture: microseconds of processor time per operation."""
    points = {name: [(f.at or 1.0, f.cpu_us.median) for f in line if f.cpu_us] for name, line in curves.items()}
    across = _Axis([x for line in points.values() for x, _ in line], LEFT, WIDTH - RIGHT)
    upward = _Axis([y for line in points.values() for _, y in line], HEIGHT - BOTTOM, TOP)
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {HEIGHT}" font-family="sans-serif" font-size="11">{STYLE}',
        f'<rect class="paper" width="{WIDTH}" height="{HEIGHT}"/>',
        f'<text x="{LEFT}" y="18" font-size="13">{escape(title)}</text>',
        *(_across(across, power) for power in across.powers),
        *(_upward(upward, power) for power in upward.powers),
        f'<text x="{LEFT}" y="{HEIGHT - 8}">size</text>',
        f'<text transform="translate(14 {HEIGHT - BOTTOM}) rotate(-90)">CPU µs per operation</text>',
    ]
    for index, (name, line) in enumerate(points.items()):
        parts += _curve(
            name, [(across.place(x), upward.place(y)) for x, y in line], COLOURS[index % len(COLOURS)], index
        )
    return "\n".join([*parts, "</svg>", ""])


class _Axis:
    """Powers of ten between two edges."""

    def __init__(self, values: Sequence[float], start: float, stop: float) -> None:
        least, most = math.floor(math.log10(min(values))), math.ceil(math.log10(max(values)))
        self.powers = range(least, max(most, least + 1) + 1)
        self._start, self._span = start, stop - start

    def place(self, value: float) -> float:
        """Where it lies."""
        return self._start + self._span * (math.log10(value) - self.powers[0]) / (self.powers[-1] - self.powers[0])


def _across(axis: _Axis, power: int) -> str:
    x = axis.place(10.0**power)
    return (
        f'<line x1="{x:.1f}" y1="{TOP}" x2="{x:.1f}" y2="{HEIGHT - BOTTOM}" class="grid"/>'
        f'<text x="{x:.1f}" y="{HEIGHT - BOTTOM + 16}" text-anchor="middle">{10.0**power:,g}</text>'
    )


def _upward(axis: _Axis, power: int) -> str:
    y = axis.place(10.0**power)
    return (
        f'<line x1="{LEFT}" y1="{y:.1f}" x2="{WIDTH - RIGHT}" y2="{y:.1f}" class="grid"/>'
        f'<text x="{LEFT - 6}" y="{y + 4:.1f}" text-anchor="end">{10.0**power:,g}</text>'
    )


def _curve(name: str, points: Sequence[tuple[float, float]], colour: str, index: int) -> list[str]:
    path = " ".join(f"{x:.1f},{y:.1f}" for x, y in points)
    y = TOP + 12 + index * 18
    return [
        f'<polyline points="{path}" fill="none" stroke="{colour}" stroke-width="2"/>',
        *(f'<circle cx="{x:.1f}" cy="{y:.1f}" r="3" fill="{colour}"/>' for x, y in points),
        f'<rect x="{WIDTH - RIGHT + 12}" y="{y - 9}" width="10" height="10" fill="{colour}"/>',
        f'<text x="{WIDTH - RIGHT + 28}" y="{y}">{escape(name)}</text>',
    ]
