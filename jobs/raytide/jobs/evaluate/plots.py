"""An evaluation as SVG, drawn to stand inline in a page: no fonts or scripts from elsewhere, text in its colour."""

from __future__ import annotations

import io
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final

import numpy as np

from raytide.jobs.train.metrics import StepMetrics

_INK: Final = "#010203"
"""Stands for the page's own text colour, which follows a dark or a light theme."""
_SERIES: Final = ("#2a78d6", "#e07b39")
_WIDTH_INCHES: Final = 9.0


def domains_plot(models: Mapping[str, Mapping[str, Any]]) -> str:
    """Bits per byte of each domain with its interval, one mark a model."""
    names = list(next(iter(models.values())))

    def draw(axes: Any) -> None:
        for at, (model, entries) in enumerate(models.items()):
            values = np.array([entries[name]["bits_per_byte"] for name in names])
            lows = np.array([entries[name]["bits_per_byte_interval"]["low"] for name in names])
            highs = np.array([entries[name]["bits_per_byte_interval"]["high"] for name in names])
            errors = np.maximum(0, [values - lows, highs - values])
            rows = np.arange(len(names)) + 0.2 * at
            axes.errorbar(values, rows, xerr=errors, fmt="o", ms=4, lw=1, color=_SERIES[at % 2], label=model)
        axes.set_yticks(np.arange(len(names)), names)
        axes.invert_yaxis()
        axes.set_xlabel("bits per byte")
        axes.legend(frameon=False, labelcolor=_INK)

    return _svg("domains", draw, height_inches=0.8 + 0.3 * len(names))


def loss_plot(metrics: Sequence[StepMetrics]) -> str:
    """The loss of each measured step."""
    pairs = bool(metrics) and "reward_margin" in metrics[0]
    return _line(metrics, "loss", f"loss, nats per {'pair of answers' if pairs else 'token'}")


def rate_plot(metrics: Sequence[StepMetrics]) -> str:
    """Tokens per second along the run."""
    return _line(metrics, "tokens_per_s", "tokens per s")


def _line(metrics: Sequence[StepMetrics], key: str, label: str) -> str:
    def draw(axes: Any) -> None:
        values = [entry[key] for entry in metrics]  # type: ignore[literal-required]
        axes.plot([entry["step"] for entry in metrics], values, color=_SERIES[0], lw=1.5)
        axes.set_xlabel("step")
        axes.set_ylabel(label)

    return _svg(key, draw, height_inches=2.3)


def _svg(name: str, draw: Callable[[Any], None], height_inches: float) -> str:
    import matplotlib as mpl
    from matplotlib.figure import Figure

    style = {"svg.hashsalt": name, "svg.fonttype": "none", "text.color": _INK, "axes.labelcolor": _INK}
    with mpl.rc_context({**style, "xtick.color": _INK, "ytick.color": _INK, "axes.edgecolor": _INK}):
        figure = Figure(figsize=(_WIDTH_INCHES, height_inches), layout="constrained")
        axes = figure.subplots()
        axes.spines[["top", "right"]].set_visible(False)
        axes.grid(alpha=0.2)
        figure.patch.set_alpha(0)
        axes.patch.set_alpha(0)
        draw(axes)
        file = io.StringIO()
        figure.savefig(file, format="svg", metadata={"Date": None})
    text = file.getvalue()
    return text[text.index("<svg") :].replace(_INK, "currentColor")
