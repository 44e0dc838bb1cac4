"""The report as one HTML page that needs nothing from anywhere: the verdict, tables, and plots."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from html import escape
from typing import Any, Final

from raytide.jobs.evaluate import plots
from raytide.jobs.train.metrics import StepMetrics

_MOST_DOMAINS: Final = 16
_STYLE: Final = """
:root { color-scheme: light dark; }
body { font: 15px/1.5 system-ui, sans-serif; max-width: 62rem; margin: 2rem auto; padding: 0 1rem; }
h1, h2 { line-height: 1.2; margin: 2rem 0 .5rem; } h1 { font-size: 1.6rem; } h2 { font-size: 1.25rem; }
table { border-collapse: collapse; width: 100%; font-variant-numeric: tabular-nums; }
th, td { text-align: right; padding: .25rem .6rem; border-bottom: 1px solid #8884; vertical-align: top; }
th:first-child, td:first-child { text-align: left; }
svg { width: 100%; height: auto; } p, li { max-width: 46rem; }
"""


def html_of(report: Mapping[str, Any], metrics: Sequence[StepMetrics]) -> str:
    """The page's text; `metrics` are those of the run that trained the model, empty where they are not at hand."""
    title = f"Evaluation of {escape(report['model'])}"
    body = "\n".join(
        (
            f"<h1>{title}</h1>",
            *_verdict(report),
            *_scores(report),
            *_tasks(report),
            *_pairwise(report),
            *_training(metrics),
        )
    )
    head = f'<meta charset="utf-8"><meta name="viewport" content="width=device-width"><title>{title}</title>'
    return (
        f'<!doctype html>\n<html lang="en"><head>{head}<style>{_STYLE}</style></head>\n<body>\n{body}\n</body></html>\n'
    )


def _verdict(report: Mapping[str, Any]) -> Iterator[str]:
    registered = report["registered"]
    yield (
        f"<p>Passed, and registered as {escape(registered['name'])} version {registered['version']} "
        f"({escape(registered['alias'])}).</p>"
        if registered
        else "<p>Refused: not registered.</p>"
    )
    yield f"<ul>{''.join(f'<li>{escape(reason)}</li>' for reason in report['reasons'])}</ul>"
    if not report["trained_on_this_data"]:
        yield "<p>The model was trained on other data; what is held out here may have been among them.</p>"


def _scores(report: Mapping[str, Any]) -> Iterator[str]:
    yield "<h2>Held-out text</h2><p>Intervals are of 95 %, over documents.</p>"
    yield f"<table><tr>{_cells(('model', 'perplexity', 'bits per byte', 'interval', 'documents', 'bytes'), 'th')}</tr>"
    for name, entry in report["scores"].items():
        yield f"<tr>{_cells((name, *_figures(entry)))}</tr>"
    yield "</table><h2>By domain</h2>"
    shown = {name: dict(list(entries.items())[:_MOST_DOMAINS]) for name, entries in report["domains"].items()}
    num_domains = len(report["domains"]["trained"])
    if num_domains > _MOST_DOMAINS:
        yield f"<p>The {_MOST_DOMAINS} largest of {num_domains}; the others are in the JSON.</p>"
    yield plots.domains_plot({name: shown[name] for name in ("trained", "production") if name in shown})
    yield f"<table><tr>{_cells(('domain', 'perplexity', 'bits per byte', 'interval', 'documents', 'bytes'), 'th')}</tr>"
    for name, entry in shown["trained"].items():
        yield f"<tr>{_cells((name, *_figures(entry)))}</tr>"
    yield "</table>"


def _figures(entry: Mapping[str, Any]) -> tuple[str, ...]:
    interval = entry["bits_per_byte_interval"]
    return (
        f"{entry['perplexity']:,.2f}",
        f"{entry['bits_per_byte']:.3f}",
        f"{interval['low']:.3f} to {interval['high']:.3f}",
        f"{entry['documents']:,}",
        f"{entry['bytes']:,}",
    )


def _tasks(report: Mapping[str, Any]) -> Iterator[str]:
    if not report["tasks"]:
        return
    yield "<h2>Questions</h2>"
    yield f"<table><tr>{_cells(('task', 'model', 'accuracy', 'interval', 'questions'), 'th')}</tr>"
    for model, tasks in report["tasks"].items():
        for name, entry in tasks.items():
            interval = f"{entry['interval']['low']:.1%} to {entry['interval']['high']:.1%}"
            cells = (name, model, f"{entry['accuracy']:.1%}", interval, f"{entry['questions']:,}")
            yield f"<tr>{_cells(cells)}</tr>"
    yield "</table>"


def _pairwise(report: Mapping[str, Any]) -> Iterator[str]:
    if (found := report["pairwise"]) is None:
        return
    yield f"<h2>Answers beside those of {escape(found['beside'])}</h2>"
    yield f"<p>Judged by {escape(found['judge'])}, each pair in both orders; better only where it is in both.</p>"
    yield f"<table><tr>{_cells(('prompts', 'better', 'worse', 'neither', 'better of those decided'), 'th')}</tr>"
    share = f"{found['won_of_decided']['low']:.0%} to {found['won_of_decided']['high']:.0%}"
    yield f"<tr>{_cells((*(str(found[name]) for name in ('prompts', 'won', 'lost', 'tied')), share))}</tr></table>"


def _training(metrics: Sequence[StepMetrics]) -> Iterator[str]:
    if metrics:
        yield f"<h2>Training</h2>{plots.loss_plot(metrics)}{plots.rate_plot(metrics)}"


def _cells(texts: Sequence[str], tag: str = "td") -> str:
    return "".join(f"<{tag}>{escape(text)}</{tag}>" for text in texts)
