"""The demo's last page: what was measured, nothing else."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from raytide.cli.demo.burst import Burst
from raytide.cli.status import attained, decision_line
from raytide.core.units import format_bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class Facts:
    """Everything that the summary may speak of."""

    manifest: Mapping[str, Any]
    lineage: Mapping[str, Any]
    report: Mapping[str, Any]
    service: Mapping[str, Any]
    burst: Burst
    dashboard: str


def summarise(facts: Facts) -> str:
    """The summary as text."""
    return "\n".join(["", *_learning(facts), *_serving(facts), *_scaling(facts), *_next(facts)])


def _learning(facts: Facts) -> Iterator[str]:
    splits, scores, lineage = facts.manifest["splits"], facts.report["scores"], facts.lineage
    documents = facts.manifest["documents"]
    tokens = sum(split["tokens"] for split in splits.values())
    before, after = scores["untrained"]["perplexity"], scores["trained"]["perplexity"]
    yield f"data        {documents['kept']:,} documents kept, {sum(documents['dropped'].values()):,} dropped, " + (
        f"{format_bytes(facts.manifest['corpus']['bytes'])} → {tokens:,} tokens"
    )
    yield (
        f"training    {lineage['steps']} steps, {lineage['tokens']:,} tokens in {lineage['wall_s']:.0f} s: "
        f"{lineage['tokens_per_s']:,.0f} tokens/s"
    )
    yield f"evaluation  held-out perplexity {before:,.0f} untrained → {after:.1f} trained ({before / after:.0f}x lower)"


def _serving(facts: Facts) -> Iterator[str]:
    burst = facts.burst
    yield f"serving     {facts.service['model']} at {facts.service['url']}/v1"
    yield (
        f"burst       {burst.sent} requests in {burst.seconds:.0f} s, {burst.losses}, "
        f"{burst.tokens / max(burst.seconds, 1e-9):,.0f} tokens/s"
    )
    yield f"latency     TTFT {_quantiles(burst.ttft_s)}; TPOT {_quantiles(burst.tpot_s)} (as the clients saw it)"


def _scaling(facts: Facts) -> Iterator[str]:
    brain = facts.service["autoscaler"]
    yield f"replicas    1 → {facts.burst.most_replicas} → {facts.burst.replicas_after}"
    if "missing" in brain:
        yield f"decisions   {brain['missing']}"
        return
    moves = [entry for entry in brain["decisions"] if entry["previous"] != entry["target"]]
    yield from (f"decision    {decision_line(entry)}" for entry in moves)
    yield f"attained    {attained(brain['attainment'])}"
    yield f"cost        {brain['replica_seconds']:.0f} replica-seconds, ${brain['usd']:.4f}"


def _next(facts: Facts) -> Iterator[str]:
    yield f"dashboard   {facts.dashboard}"
    yield "next        `make stop` ends the cluster; `.venv/bin/raytide status` shows the service"


def _quantiles(values: Sequence[float]) -> str:
    return ", ".join(f"{name} {_milliseconds(sorted(values), q)}" for name, q in (("p50", 0.5), ("p95", 0.95)))


def _milliseconds(ordered: Sequence[float], q: float) -> str:
    """The smallest value that a share `q` does not exceed."""
    return f"{ordered[math.ceil(q * len(ordered)) - 1] * 1e3:.0f} ms" if ordered else "unknown"
