"""The comparison as one HTML page that needs nothing from anywhere: a table, plots of each trace, and decisions."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from html import escape
from typing import Final

from raytide.autoscaling.missing import Missing
from raytide.autoscaling.simulate import plots
from raytide.autoscaling.simulate.curves import Change
from raytide.autoscaling.simulate.league import Entry, Row
from raytide.autoscaling.simulate.oracle.plan import Plan
from raytide.autoscaling.terms import Terms

_MOST_CHANGES: Final = 200
_STYLE: Final = """
:root { color-scheme: light dark; }
body { font: 15px/1.5 system-ui, sans-serif; max-width: 62rem; margin: 2rem auto; padding: 0 1rem; }
h1, h2, h3 { line-height: 1.2; margin: 2rem 0 .5rem; } h1 { font-size: 1.6rem; } h2 { font-size: 1.25rem; }
h3 { font-size: 1rem; margin-top: 1.25rem; }
table { border-collapse: collapse; width: 100%; font-variant-numeric: tabular-nums; }
th, td { text-align: right; padding: .25rem .6rem; border-bottom: 1px solid #8884; vertical-align: top; }
th:first-child, td:first-child, .words { text-align: left; }
.missed { opacity: .55; } .scroll { overflow-x: auto; max-height: 28rem; } svg { width: 100%; height: auto; }
p { max-width: 46rem; }
"""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Section:
    """One trace."""

    trace: str
    runs: plots.Runs
    """The policies that are plotted, the one whose replicas and decisions are shown first."""
    oracle: Plan | Missing
    ttft_s: float
    """The objective's bound."""
    changes: tuple[Change, ...]
    """Of the first run."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Page:
    """What the page shows."""

    title: str
    terms: Terms
    entries: tuple[Entry, ...]
    sections: tuple[Section, ...]

    @property
    def has_oracles(self) -> bool:
        """Whether costs are told as multiples of the oracle's."""
        return not any(isinstance(section.oracle, Missing) for section in self.sections)


def html_of(page: Page) -> str:
    """The page's text."""
    title = escape(page.title)
    body = "\n".join((f"<h1>{title}</h1>", _terms(page.terms), *_league(page), *_sections(page)))
    head = f'<meta charset="utf-8"><meta name="viewport" content="width=device-width"><title>{title}</title>'
    return (
        f'<!doctype html>\n<html lang="en"><head>{head}<style>{_STYLE}</style></head>\n<body>\n{body}\n</body></html>\n'
    )


def _terms(terms: Terms) -> str:
    objective = terms.objective
    priced = ", ".join(f"{v.name} at {_usd(v.usd_per_hour)} per hour" for v in terms.variants)
    return (
        f"<p>{objective.attainment:.2%} of the requests with a TTFT within {objective.ttft_s:g} s and a TPOT within "
        f"{1000 * objective.tpot_s:g} ms; {terms.min_replicas} to {terms.max_replicas} replicas of "
        f"{escape(priced)}.</p>"
    )


def _league(page: Page) -> Iterator[str]:
    tuned = any(not isinstance(entry.tuned, Missing) for entry in page.entries)
    cost = "cost / oracle" if page.has_oracles else "mean cost, USD"
    heads = ["policy", "objective kept", cost, "worst attainment", "worst TTFT p99", "flaps", "cost of all"]
    yield "<h2>League</h2><p>Who keeps the objective on most traces stands first, then who costs least.</p>"
    yield f"<table><tr>{_cells(heads, 'th')}</tr>"
    for entry in page.entries:
        yield _row(entry.default, entry.default.policy)
        if tuned and not isinstance(entry.tuned, Missing):
            yield _row(entry.tuned, f"{entry.tuned.policy}, tuned")
    yield "</table>"


def _row(row: Row, name: str) -> str:
    spread = "" if isinstance(row.interval, Missing) else f" ± {(row.interval[1] - row.interval[0]) / 2:.3f}"
    cells = (
        name,
        f"{row.num_kept} of {len(row.standings)}",
        f"{row.relative:.3f}{spread}",
        f"{row.attainment:.2%}",
        f"{row.ttft_p99_s:.2f} s",
        f"{row.flaps:.0f}",
        _usd(row.cost_usd),
    )
    return f"<tr{'' if row.keeps_all else ' class=missed'}>{_cells(cells)}</tr>"


def _sections(page: Page) -> Iterator[str]:
    for section in page.sections:
        name = escape(section.runs[0][0])
        yield f"<h2>{escape(section.trace)}</h2>"
        yield from _standings(page, section.trace) if len(page.sections) > 1 else ()
        yield f"<h3>Load</h3>{plots.load_plot(section.runs)}"
        yield f"<h3>Replicas</h3>{plots.replicas_plot(section.runs, section.oracle)}"
        yield f"<h3>Time to first token</h3>{plots.ttft_plot(section.runs, section.ttft_s)}"
        yield f"<h3>Spent</h3>{plots.cost_plot(section.runs)}"
        yield f"<h3>Decisions of {name}</h3>"
        yield from _changes(section.changes)


def _standings(page: Page, trace: str) -> Iterator[str]:
    """Every policy's place on one trace, with its defaults."""
    found = [(e.default.policy, s) for e in page.entries for s in e.default.standings if s.trace == trace]
    over = ("cost / oracle",) if page.has_oracles else ()
    yield f"<table><tr>{_cells(('policy', 'attainment', 'cost', *over), 'th')}</tr>"
    for policy, standing in sorted(found, key=lambda pair: (not pair[1].kept, pair[1].cost_usd)):
        relative = (f"{standing.relative:.3f}",) if page.has_oracles else ()
        cells = (policy, f"{standing.attainment:.2%}", _usd(standing.cost_usd), *relative)
        yield f"<tr{'' if standing.kept else ' class=missed'}>{_cells(cells)}</tr>"
    yield "</table>"


def _changes(changes: Sequence[Change]) -> Iterator[str]:
    shown = changes[-_MOST_CHANGES:]
    part = f"The last {len(shown)} of {len(changes)}. " if len(shown) < len(changes) else ""
    yield f"<p>{part}Times are from the start of the run, the laps before the scored one included.</p>"
    yield '<div class="scroll"><table><tr><th>time</th><th>variant</th><th>replicas</th><th class="words">why</th></tr>'
    for change in shown:
        cells = (_time(change.at_s), change.variant, f"{change.previous} → {change.target}")
        yield f'<tr>{_cells(cells)}<td class="words">{escape(change.rule)}: {escape(change.says)}</td></tr>'
    yield "</table></div>"


def _cells(texts: Iterable[str], tag: str = "td") -> str:
    return "".join(f"<{tag}>{escape(text)}</{tag}>" for text in texts)


def _time(at_s: float) -> str:
    minutes, seconds = divmod(round(at_s), 60)
    return f"{minutes // 60}:{minutes % 60:02d}:{seconds:02d}"


def _usd(usd: float | Missing) -> str:
    return "an unknown price" if isinstance(usd, Missing) else f"${usd:,.2f}"
