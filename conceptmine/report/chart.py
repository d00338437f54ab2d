"""A small chart: axes, bands, lines, dots and bars as inline SVG.

Colours, fonts and line styles are classes of the page's style sheet, so charts follow light, dark and print; numbers
are written with fixed precision, so the same data give the same bytes.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

from markupsafe import Markup, escape


@dataclass(frozen=True)
class Scale:
    """Maps values from [low, high] to a stretch of the drawing, evenly or by logarithm."""

    low: float
    high: float
    log: bool = False

    def at(self, value: float) -> float:
        """The place of `value` as a fraction: 0 at `low`, 1 at `high`."""
        if self.log:
            return (math.log(value) - math.log(self.low)) / (math.log(self.high) - math.log(self.low))
        return (value - self.low) / (self.high - self.low)

    @classmethod
    def around(cls, values: Iterable[float], *, least: float, inside: tuple[float, float] | None = None) -> Scale:
        """An even scale with a margin around `values`, at least `least` long, and kept `inside` a range."""
        known = list(values)
        low, high = min(known), max(known)
        middle, length = (low + high) / 2, max(high - low, least) * 1.16
        low, high = middle - length / 2, middle + length / 2
        if inside is not None:
            low, high = max(low, inside[0]), min(high, inside[1])
        return cls(low, high)


@dataclass
class Chart:
    """A drawing area with axes; `draw` methods add to it and `svg` returns the whole.

    Width and height are in CSS pixels at the size it is meant to be seen; `label` is what a screen reader says.
    """

    label: str
    x: Scale
    y: Scale
    width: int = 340
    height: int = 200
    left: int = 46
    right: int = 14
    top: int = 24
    bottom: int = 38
    parts: list[str] = field(default_factory=list)

    def px(self, value: float) -> float:
        """Horizontal place of a value."""
        return self.left + self.x.at(value) * (self.width - self.left - self.right)

    def py(self, value: float) -> float:
        """Vertical place of a value."""
        return self.height - self.bottom - self.y.at(value) * (self.height - self.top - self.bottom)

    def x_axis(self, ticks: Sequence[tuple[float, str]], title: str) -> None:
        """Tick labels under the area and the axis's title below them."""
        base = self.height - self.bottom
        self.parts.append(f'<path class="axis" d="M{self.left} {base}H{self.width - self.right}"/>')
        for value, name in ticks:
            self.words(self.px(value), base + 15, name, "tick", "middle")
        self.words((self.left + self.width - self.right) / 2, self.height - 5, title, "title", "middle")

    def y_axis(self, ticks: Sequence[tuple[float, str]], title: str) -> None:
        """Tick labels and hair lines at the left; the title stands level above the axis, where it can be read."""
        for value, name in ticks:
            y = self.py(value)
            self.parts.append(f'<path class="grid" d="M{self.left} {y:.1f}H{self.width - self.right}"/>')
            self.words(self.left - 6, y + 3.5, name, "tick", "end")
        self.words(2, 11, title, "title", "start")

    def words(self, x: float, y: float, text: str, name: str, anchor: str = "start") -> None:
        """Text at a place of the drawing."""
        self.parts.append(f'<text class="{name}" x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}">{escape(text)}</text>')

    def band(self, points: Sequence[tuple[float, float, float]], name: str = "null-band") -> None:
        """The area between low and high: (x, low, high) in order of x; a single point gets a short stretch."""
        if len(points) == 1:
            x, low, high = points[0]
            left, right, top, bottom = self.px(x) - 14, self.px(x) + 14, self.py(high), self.py(low)
            self.parts.append(f'<path class="{name}" d="M{left:.1f} {top:.1f}H{right:.1f}V{bottom:.1f}H{left:.1f}z"/>')
            return
        upper = [f"{self.px(x):.1f} {self.py(high):.1f}" for x, _, high in points]
        lower = [f"{self.px(x):.1f} {self.py(low):.1f}" for x, low, _ in reversed(points)]
        self.parts.append(f'<path class="{name}" d="M{"L".join(upper + lower)}z"/>')

    def line(self, points: Sequence[tuple[float, float]], name: str) -> None:
        """Straight lines from point to point."""
        if len(points) > 1:
            path = "L".join(f"{self.px(x):.1f} {self.py(y):.1f}" for x, y in points)
            self.parts.append(f'<path class="{name}" d="M{path}"/>')

    def dot(self, x: float, y: float, name: str, note: str = "", radius: float = 3.5) -> None:
        """A dot; `note` appears when the pointer rests on it."""
        self.dot_at(self.px(x), self.py(y), name, note, radius)

    def dot_at(self, left: float, top: float, name: str, note: str = "", radius: float = 3.5) -> None:
        """A dot at a place of the drawing."""
        inside = f"<title>{escape(note)}</title>" if note else ""
        self.parts.append(f'<circle class="{name}" cx="{left:.1f}" cy="{top:.1f}" r="{radius:g}">{inside}</circle>')

    def bar(self, x0: float, x1: float, y0: float, y1: float, name: str, note: str = "") -> None:
        """A bar over [x0, x1] from y0 up to y1; nothing if it has no height."""
        if y1 <= y0:
            return
        left, right, top, bottom = self.px(x0) + 0.5, self.px(x1) - 0.5, self.py(y1), self.py(y0)
        inside = f"<title>{escape(note)}</title>" if note else ""
        self.parts.append(
            f'<rect class="{name}" x="{left:.1f}" y="{top:.1f}" width="{max(right - left, 0.5):.1f}" '
            f'height="{bottom - top:.1f}">{inside}</rect>'
        )

    def level(self, y: float, name: str) -> None:
        """A level line across the area."""
        self.parts.append(f'<path class="{name}" d="M{self.left} {self.py(y):.1f}H{self.width - self.right}"/>')

    def upright(self, x: float, name: str) -> None:
        """An upright line through the area."""
        self.parts.append(f'<path class="{name}" d="M{self.px(x):.1f} {self.top}V{self.height - self.bottom}"/>')

    def svg(self) -> Markup:
        """The finished drawing."""
        body = "".join(self.parts)
        return Markup(
            f'<svg class="chart" viewBox="0 0 {self.width} {self.height}" role="img" aria-label="{escape(self.label)}">'
            f"{body}</svg>"
        )


def ticks(scale: Scale, about: int = 4) -> list[tuple[float, str]]:
    """Round values inside an even scale, about `about` of them, with labels of equal precision."""
    raw = (scale.high - scale.low) / about
    power = 10.0 ** math.floor(math.log10(raw))
    step = next(power * factor for factor in (1, 2, 2.5, 5, 10) if power * factor >= raw * 0.999)
    decimals = max(0, -math.floor(math.log10(step) + 1e-9))
    if step * 10**decimals % 1 > 1e-9:
        decimals += 1
    first = math.ceil(scale.low / step - 1e-9)
    last = math.floor(scale.high / step + 1e-9)
    values = [index * step for index in range(first, last + 1)]
    return [(value, f"{value + 0.0:.{decimals}f}".replace("-", "−")) for value in values]
