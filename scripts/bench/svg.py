"""Line charts as SVG text, with the standard library alone.

    from svg import Axis, Series, line_chart
    text = line_chart("Title", Axis("recall@10", "nines"), Axis("queries/s", "log"), [Series("ours", points, emphasis=True)])

Knows nothing of recall or benchmarks: the callers choose axes and names. The same input gives the same bytes, so a plot in the
repository changes only when its figures do.
"""

import math
from dataclasses import dataclass, field
from html import escape

# Okabe and Ito's colours, told apart by the colour-blind too, without the yellow that vanishes on white; the first is kept for
# the series with emphasis.
OURS = "#d55e00"
COLOURS = ["#0072b2", "#009e73", "#cc79a7", "#56b4e9", "#8a6d00", "#555555", "#7b3fbf", "#1b9e9e", "#a05030", "#9aa5ad"]
MARKS = ["circle", "square", "triangle", "diamond"]
INK, GRID, FAINT = "#222222", "#e3e3e3", "#666666"
SCALES = ("linear", "log", "nines")


@dataclass
class Axis:
    """One axis. `scale`: "linear", "log", or "nines" for shares below 1, where .9, .99 and .999 lie equally far apart.
    `low` and `high` default to the data's; points beyond them are left out. `ticks` defaults to a fitting choice."""

    label: str
    scale: str = "linear"
    low: float | None = None
    high: float | None = None
    ticks: list[float] | None = None
    # Text of a tick, from its value.
    form: object = None


@dataclass
class Series:
    """One line with marks. `emphasis` draws it thick, in the colour of our own, above the others; `dashed` has hollow marks."""

    name: str
    points: list[tuple[float, float]] = field(default_factory=list)
    emphasis: bool = False
    dashed: bool = False
    colour: str | None = None


def number(value):
    """A short form of a number for people: 1200 as 1,200, 0.25 as 0.25."""
    if value == 0 or abs(value) >= 1:
        return f"{value:,.0f}" if value == int(value) else f"{value:,.4g}"
    return f"{value:.6f}".rstrip("0").rstrip(".")


def _along(scale, value):
    if scale == "log":
        return math.log10(value)
    if scale == "nines":
        return -math.log10(1 - value)
    return value


def _drawable(scale, value):
    if not math.isfinite(value):
        return False
    return value > 0 if scale == "log" else value < 1 if scale == "nines" else True


def _ticks(axis, low, high):
    """Values to label between low and high, both included."""
    if axis.ticks is not None:
        found = axis.ticks
    elif axis.scale == "log":
        decades = range(math.floor(math.log10(low)), math.ceil(math.log10(high)) + 1)
        dense = math.log10(high / low) <= 3.2
        found = [digit * 10.0**power for power in decades for digit in ((1, 2, 5) if dense else (1,))]
    elif axis.scale == "nines":
        found = [0.5, 0.8, 0.9, 0.95, 0.98, 0.99, 0.995, 0.998, 0.999, 0.9995, 0.9999]
    else:
        raw = (high - low) / 6
        power = 10.0 ** math.floor(math.log10(raw))
        step = next(power * digit for digit in (1, 2, 2.5, 5, 10) if power * digit >= raw * 0.999)
        first = math.ceil(low / step - 1e-9)
        found = [round(step * at, 12) for at in range(first, math.floor(high / step + 1e-9) + 1)]
    slack = 1e-9 * (abs(high) + abs(low))
    return [value for value in found if low - slack <= value <= high + slack]


def _limits(axis, values):
    """Where the axis begins and ends: as asked, else the data's own ends with a little room."""
    low, high = axis.low, axis.high
    seen = [_along(axis.scale, value) for value in values if _drawable(axis.scale, value)] or [0.0, 1.0]
    room = (max(seen) - min(seen)) * 0.04 or 0.5
    back = {"log": lambda at: 10**at, "nines": lambda at: 1 - 10**-at, "linear": lambda at: at}[axis.scale]
    return (back(min(seen) - room) if low is None else low, back(max(seen) + room) if high is None else high)


def _mark(kind, x, y, size, colour, hollow):
    paint = f'fill="#ffffff" stroke="{colour}" stroke-width="1.8"' if hollow else f'fill="{colour}"'
    if kind == "circle":
        return f'<circle cx="{x:.1f}" cy="{y:.1f}" r="{size:.1f}" {paint}/>'
    corners = {
        "square": [(-0.9, -0.9), (0.9, -0.9), (0.9, 0.9), (-0.9, 0.9)],
        "triangle": [(0, -1.15), (1.1, 0.85), (-1.1, 0.85)],
        "diamond": [(0, -1.25), (1.25, 0), (0, 1.25), (-1.25, 0)],
    }[kind]
    places = " ".join(f"{x + size * dx:.1f},{y + size * dy:.1f}" for dx, dy in corners)
    return f'<polygon points="{places}" {paint}/>'


def _text(x, y, words, size=13, anchor="middle", colour=INK, more=""):
    return f'<text x="{x:.1f}" y="{y:.1f}" font-size="{size}" text-anchor="{anchor}" fill="{colour}"{more}>{escape(words)}</text>'


def line_chart(title, x, y, series, subtitle="", width=820, height=500):
    """The whole SVG file. Series keep their order in the legend; those with emphasis come first and are drawn last, on top."""
    for axis in (x, y):
        if axis.scale not in SCALES:
            raise ValueError(f"scale {axis.scale!r} of axis {axis.label!r} is none of {', '.join(SCALES)}")
    series = sorted(series, key=lambda one: not one.emphasis)
    (x_low, x_high), (y_low, y_high) = (
        _limits(axis, [point[at] for one in series for point in one.points]) for at, axis in enumerate((x, y))
    )
    legend_width = 34 + 7.2 * max([len(one.name) for one in series] or [0])
    left, top, right, bottom = 78.0, 62.0 if subtitle else 46.0, width - legend_width - 16, height - 58.0

    def across(axis, low, high, value):
        start, end = _along(axis.scale, low), _along(axis.scale, high)
        return (_along(axis.scale, value) - start) / (end - start)

    def place(point):
        return (
            left + (right - left) * across(x, x_low, x_high, point[0]),
            bottom - (bottom - top) * across(y, y_low, y_high, point[1]),
        )

    out = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" width="{width}" height="{height}" role="img"'
        ' font-family="system-ui, -apple-system, Segoe UI, Helvetica, Arial, sans-serif">',
        f"<title>{escape(title)}</title>",
        f'<rect width="{width}" height="{height}" fill="#ffffff"/>',
        _text(left, 26, title, 17, "start", more=' font-weight="600"'),
    ]
    if subtitle:
        out.append(_text(left, 46, subtitle, 12, "start", FAINT))
    for value in _ticks(x, x_low, x_high):
        at = place((value, y_low))[0]
        out.append(f'<line x1="{at:.1f}" y1="{top:.1f}" x2="{at:.1f}" y2="{bottom:.1f}" stroke="{GRID}"/>')
        out.append(_text(at, bottom + 18, (x.form or number)(value), 12, colour=FAINT))
    for value in _ticks(y, y_low, y_high):
        at = place((x_low, value))[1]
        out.append(f'<line x1="{left:.1f}" y1="{at:.1f}" x2="{right:.1f}" y2="{at:.1f}" stroke="{GRID}"/>')
        out.append(_text(left - 8, at + 4, (y.form or number)(value), 12, "end", FAINT))
    out.append(f'<path d="M{left:.1f} {top:.1f}V{bottom:.1f}H{right:.1f}" fill="none" stroke="{INK}"/>')
    out.append(_text((left + right) / 2, height - 16, x.label))
    middle = (top + bottom) / 2
    out.append(_text(18, middle, y.label, more=f' transform="rotate(-90 18 {middle:.1f})"'))

    lines, legend, others = [], [], 0
    for at, one in enumerate(series):
        colour, kind = one.colour or OURS, MARKS[0]
        if not one.emphasis:
            colour = one.colour or COLOURS[others % len(COLOURS)]
            kind = MARKS[(others + 1) % len(MARKS)]
            others += 1
        thick, size = (3.4, 4.6) if one.emphasis else (1.7, 3.4)
        dash = ' stroke-dasharray="6 4"' if one.dashed else ""
        inside = [
            place(point)
            for point in one.points
            if _drawable(x.scale, point[0])
            and _drawable(y.scale, point[1])
            and x_low <= point[0] <= x_high
            and y_low <= point[1] <= y_high
        ]
        drawn = ""
        if len(inside) > 1:
            path = "L".join(f"{px:.1f} {py:.1f}" for px, py in inside)
            drawn = f'<path d="M{path}" fill="none" stroke="{colour}" stroke-width="{thick}"{dash} stroke-linejoin="round"/>'
        lines.append(drawn + "".join(_mark(kind, px, py, size, colour, one.dashed) for px, py in inside))
        down = top + 10 + 21 * at
        legend.append(
            f'<line x1="{right + 14:.1f}" y1="{down:.1f}" x2="{right + 38:.1f}" y2="{down:.1f}" stroke="{colour}"'
            f' stroke-width="{thick}"{dash}/>' + _mark(kind, right + 26, down, size, colour, one.dashed)
            + _text(right + 44, down + 4, one.name, 12, "start", more=' font-weight="700"' if one.emphasis else "")
        )
    out += reversed(lines)
    out += legend
    return "\n".join([*out, "</svg>", ""])
