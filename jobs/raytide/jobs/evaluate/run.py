"""The evaluate job: scores a trained model, judges it, and registers it where it passes."""

from __future__ import annotations

import json
import math
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from raytide.core.errors import GateFailed, RaytideError
from raytide.core.home import below_home
from raytide.core.spec.job import EvaluateSpec
from raytide.jobs.artefact import write_json
from raytide.jobs.code_version import code_version
from raytide.jobs.entry import connected, say
from raytide.jobs.evaluate.gate import Verdict, judge
from raytide.jobs.evaluate.score import Score, score
from raytide.jobs.preprocess.manifest import read_manifest
from raytide.jobs.preprocess.split import HELD_OUT
from raytide.jobs.registry import EVALUATED_ON, PRODUCTION_VERSION, ModelVersion, register, versions


def run(spec: EvaluateSpec) -> None:
    """Writes the report, and registers the model or says why not.

    Raises:
        GateFailed: The model is not good enough.
    """
    start = time.monotonic()
    data, model, target = below_home(spec.data), below_home(spec.model), below_home(spec.report)
    data_hash, lineage = read_manifest(data)["data_hash"], _lineage(model)
    production = _production(spec.registry.name)
    with connected():
        scores = _scores(spec, data, model, lineage, production)
    verdict = judge(spec.gate, scores["trained"], scores["untrained"], scores.get("production"))
    report = _report(model, data_hash, lineage, scores, verdict, production)
    if verdict.passed:
        version = register(
            spec.registry.name,
            model,
            metrics=_metrics(scores),
            tags=_tags(lineage, model, target) | _compared(data_hash, production),
            alias=spec.registry.alias,
        )
        report["registered"] = {"name": version.name, "version": version.version, "alias": spec.registry.alias}
    write_json(target, report | {"wall_s": round(time.monotonic() - start, 1)})
    _conclude(verdict, report["registered"], target)


def _lineage(model: Path) -> dict[str, Any]:
    try:
        content: dict[str, Any] = json.loads((model / "lineage.json").read_text())
    except FileNotFoundError as error:
        raise RaytideError(
            f"No trained model in {model}; run a train job first, or correct spec.model (a run's export folder)."
        ) from error
    return content


def _production(name: str) -> ModelVersion | None:
    return next((version for version in versions(name) if "production" in version.aliases), None)


def _scores(
    spec: EvaluateSpec, data: Path, model: Path, lineage: Mapping[str, Any], production: ModelVersion | None
) -> dict[str, Score]:
    """The score of each model, one Ray task each."""
    import ray

    task = ray.remote(num_cpus=1, num_gpus=0 if spec.accelerator == "CPU" else 1)(score)
    text = (data / "documents" / f"{HELD_OUT}.parquet", spec.max_held_out or math.inf)
    tasks = {
        "untrained": task.remote(model, *text, untrained_seed=lineage["config"]["seed"]),
        "trained": task.remote(model, *text),
    }
    if production:
        tasks["production"] = task.remote(production.path, *text)
    scores = {}
    for name, pending in tasks.items():
        scores[name] = ray.get(pending)
        say(f"{name}: {_in_words(scores[name])}")
    return scores


def _in_words(scored: Score) -> str:
    return (
        f"perplexity {scored.perplexity:.2f}, {scored.bits_per_byte:.3f} bits per byte "
        f"({scored.tokens} tokens, {scored.bytes} bytes)"
    )


def _report(
    model: Path,
    data_hash: str,
    lineage: Mapping[str, Any],
    scores: Mapping[str, Score],
    verdict: Verdict,
    production: ModelVersion | None,
) -> dict[str, Any]:
    return {
        "model": str(model),
        "passed": verdict.passed,
        "reasons": verdict.reasons,
        "scores": {name: _score_entry(scored) for name, scored in scores.items()},
        "production_version": production and production.version,
        "registered": None,
        "data_hash": data_hash,
        # Where the data differ, what is held out here may have been trained on there.
        "trained_on_this_data": lineage["data_hash"] == data_hash,
        "lineage": lineage,
        "code_version": code_version(),
    }


def _score_entry(scored: Score) -> dict[str, float]:
    return {
        "perplexity": round(scored.perplexity, 4),
        "bits_per_byte": round(scored.bits_per_byte, 5),
        "tokens": scored.tokens,
        "bytes": scored.bytes,
    }


def _metrics(scores: Mapping[str, Score]) -> dict[str, float]:
    trained, production = scores["trained"], scores.get("production")
    beside = {} if production is None else {"production_bits_per_byte": production.bits_per_byte}
    return {
        "perplexity": trained.perplexity,
        "bits_per_byte": trained.bits_per_byte,
        "untrained_perplexity": scores["untrained"].perplexity,
        **beside,
    }


def _compared(data_hash: str, production: ModelVersion | None) -> dict[str, str]:
    """On which data, and beside which version: a canary of it is judged by that."""
    beside = {} if production is None else {PRODUCTION_VERSION: str(production.version)}
    return {EVALUATED_ON: data_hash, **beside}


def _tags(lineage: Mapping[str, Any], model: Path, report: Path) -> dict[str, str]:
    return {
        "data_hash": lineage["data_hash"],
        "code_version": lineage["code_version"],
        "run_folder": str(model.parent),
        "report": str(report),
    }


def _conclude(verdict: Verdict, registered: Mapping[str, Any] | None, report: Path) -> None:
    for reason in verdict.reasons:
        say(f"- {reason}")
    say(f"report in {report}")
    if registered is None:
        raise GateFailed("The model did not pass the gate and is not registered; the report has the reasons.")
    say(f"registered {registered['name']} version {registered['version']} as {registered['alias']}")
