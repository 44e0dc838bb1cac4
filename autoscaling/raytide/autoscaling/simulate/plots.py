"""Runs as SVG, drawn to stand inline in a page: no fonts or scripts from elsewhere, and text in the page's colour."""

from __future__ import annotations

import io
from collections.abc import Callable, Sequence
from typing import Any, Final

import numpy as np

from raytide.autoscaling.missing import Missing
from raytide.autoscaling.simulate.curves import Curves
from raytide.autoscaling.simulate.oracle.plan import Plan

_INK: Final = "#010203"
"""Stands for the page's own text colour, which follows a dark or a light theme."""
_SERIES: Final = ("#2a78d6", "#e07b39", "#3f9b6b", "#a463c9", "#c9a227")
_ORACLE: Final = "#8a8f98"
_SIZE_INCHES: Final = (9.0, 2.3)
_PLACE: Final = (0.07, 0.19, 0.73, 0.76)
"""Left, bottom, width and height of the axes; the legend stands to their right."""
_LONG_S: Final = 2.5 * 3600.0
"""A lap beyond this is told in hours."""

Runs = Sequence[tuple[str, Curves]]
"""Names with the curves of one lap, the most important one first."""


def load_plot(runs: Runs) -> str:
    """The requests per second of a trace."""
    _, curves = runs[0]

    def draw(axes: Any, along: Any) -> None:
        axes.fill_between(along(curves.at_s), curves.requests_per_s, step="post", color=_SERIES[0], alpha=0.35, lw=0)
        axes.set_ylim(bottom=0)

    return _svg("load", "requests per s", _span_s(runs[0][1]), draw)


def replicas_plot(runs: Runs, oracle: Plan | Missing) -> str:
    """Wanted and ready replicas of the first run, and the oracle's plan."""
    name, curves = runs[0]

    def draw(axes: Any, along: Any) -> None:
        at = along(curves.at_s)
        axes.step(at, curves.target, where="post", color=_SERIES[0], lw=1.0, ls=":", label=f"{name}: wanted")
        axes.step(at, curves.ready, where="post", color=_SERIES[0], lw=1.5, label=f"{name}: ready")
        if not isinstance(oracle, Missing):
            windows_s = oracle.window_s * np.arange(len(oracle.counts) + 1)
            counts = [*oracle.counts, oracle.counts[-1]]
            axes.step(along(windows_s), counts, where="post", color=_ORACLE, lw=1.2, label="oracle")
        axes.set_ylim(bottom=0)
        _legend(axes)

    return _svg("replicas", "replicas", _span_s(runs[0][1]), draw)


def ttft_plot(runs: Runs, bound_s: float) -> str:
    """The 99 % quantile of TTFT per bin of arrivals, beside its bound."""

    def draw(axes: Any, along: Any) -> None:
        for (name, curves), colour in zip(runs, _SERIES, strict=False):
            axes.plot(along(curves.at_s), curves.ttft_p99_s, color=colour, lw=1.2, label=name)
        axes.axhline(bound_s, color=_INK, lw=1.0, ls="--", label="bound")
        _in_seconds(axes)
        _legend(axes)

    return _svg("ttft", "TTFT p99, s", _span_s(runs[0][1]), draw)


def cost_plot(runs: Runs) -> str:
    """Dollars spent since the lap began."""

    def draw(axes: Any, along: Any) -> None:
        for (name, curves), colour in zip(runs, _SERIES, strict=False):
            axes.plot(along(curves.at_s), curves.cost_usd, color=colour, lw=1.4, label=name)
        axes.set_ylim(bottom=0)
        _legend(axes)

    return _svg("cost", "USD spent", _span_s(runs[0][1]), draw)


def _in_seconds(axes: Any) -> None:
    """A logarithmic axis with 1, 2 and 5 of each decade as plain numbers."""
    from matplotlib.ticker import FuncFormatter, LogLocator, NullFormatter

    axes.set_yscale("log")
    axes.yaxis.set_major_locator(LogLocator(subs=(1.0, 2.0, 5.0)))
    axes.yaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
    axes.yaxis.set_minor_formatter(NullFormatter())


def _legend(axes: Any) -> None:
    axes.legend(loc="upper left", bbox_to_anchor=(1.0, 1.02), frameon=False, labelcolor=_INK, fontsize=8)


def _svg(name: str, label: str, span_s: float, draw: Callable[[Any, Callable[[Any], Any]], None]) -> str:
    """One plot over a lap; the same curves give the same text, and all plots have their axes at the same place."""
    import matplotlib as mpl
    from matplotlib.backends.backend_svg import FigureCanvasSVG
    from matplotlib.figure import Figure

    with mpl.rc_context({"svg.fonttype": "none", "svg.hashsalt": name, "font.family": "sans-serif"}):
        figure = Figure(figsize=_SIZE_INCHES)
        figure.patch.set_alpha(0.0)
        axes = figure.add_axes(_PLACE)
        unit, unit_s = ("hours", 3600.0) if span_s > _LONG_S else ("minutes", 60.0)
        draw(axes, lambda seconds: np.asarray(seconds) / unit_s)
        _plain(axes, unit, label)
        axes.set_xlim(0, span_s / unit_s)
        buffer = io.StringIO()
        FigureCanvasSVG(figure).print_svg(buffer, metadata={"Date": None, "Creator": None})
    text = buffer.getvalue()
    return text[text.index("<svg") :].replace(_INK, "currentColor")


def _span_s(curves: Curves) -> float:
    return float(curves.at_s[-1] + (curves.at_s[1] - curves.at_s[0] if len(curves.at_s) > 1 else 60.0))


def _plain(axes: Any, unit: str, label: str) -> None:
    """Axes without a frame, in the page's colour."""
    axes.patch.set_alpha(0.0)
    axes.set_xlabel(unit, color=_INK, fontsize=8)
    axes.set_ylabel(label, color=_INK, fontsize=8)
    axes.tick_params(colors=_INK, labelsize=8, which="both")
    axes.grid(visible=True, color=_INK, alpha=0.12, lw=0.6)
    for side in ("top", "right"):
        axes.spines[side].set_visible(False)
    for side in ("bottom", "left"):
        axes.spines[side].set_color(_INK)
