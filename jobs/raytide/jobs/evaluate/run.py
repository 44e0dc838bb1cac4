"""The evaluate job: scores a trained model, judges it, and registers it where it passes."""

from __future__ import annotations

import math
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from raytide.core.errors import GateFailed, RaytideError
from raytide.core.home import below_home
from raytide.core.spec.evaluate import EvaluateSpec, Task
from raytide.jobs.artefact import write_json, write_text
from raytide.jobs.entry import connected, say
from raytide.jobs.evaluate.gate import Scores, judge
from raytide.jobs.evaluate.harness import OFFLINE
from raytide.jobs.evaluate.page import html_of
from raytide.jobs.evaluate.pairwise import Judged, answers, judged, read_prompts
from raytide.jobs.evaluate.questions import Asked, answers_right, read_questions
from raytide.jobs.evaluate.report import Evaluation, report_of
from raytide.jobs.evaluate.score import Score, score
from raytide.jobs.evaluate.served_judge import ServedJudge
from raytide.jobs.json_file import read_object
from raytide.jobs.preprocess.manifest import read_manifest
from raytide.jobs.preprocess.split import HELD_OUT
from raytide.jobs.registry import EVALUATED_ON, PRODUCTION_VERSION, ModelVersion, register, versions
from raytide.jobs.train.metrics import read_metrics


def run(spec: EvaluateSpec) -> None:
    """Writes the report, and registers the model or says why not.

    Raises:
        GateFailed: The model is not good enough.
    """
    start = time.monotonic()
    data, model, target = below_home(spec.data), below_home(spec.model), below_home(spec.report)
    data_hash, lineage = read_manifest(data)["data_hash"], _lineage(model)
    prompts = read_prompts(spec.pairwise, below_home(spec.pairwise.file)) if spec.pairwise else []
    asked = {task.name: (task, read_questions(task, below_home(task.file))) for task in spec.tasks}
    production = _production(spec.registry.name)
    with connected():
        scores = _scores(spec, data, model, lineage, production, asked)
        found = _judged(spec, model, lineage, production, prompts) if spec.pairwise else None
    before = "untrained" if "untrained" in scores else "start"
    verdict = judge(
        spec.gate, scores["trained"], scores[before].text, scores.get("production"), spec.tasks, found, spec.seed
    )
    evaluation = Evaluation(
        model=model, data_hash=data_hash, lineage=lineage, scores=scores, verdict=verdict,
        production_version=production.version if production else None, seed=spec.seed, judged=found,
    )  # fmt: skip
    report = report_of(evaluation)
    if verdict.passed:
        version = register(
            spec.registry.name,
            model,
            metrics=_metrics(scores, before),
            tags=_tags(lineage, model, target) | _compared(data_hash, production),
            alias=spec.registry.alias,
        )
        report["registered"] = {"name": version.name, "version": version.version, "alias": spec.registry.alias}
    report["wall_s"] = round(time.monotonic() - start, 1)
    write_json(target, report)
    write_text(target.with_suffix(".html"), html_of(report, read_metrics(model.parent)))
    _conclude(report, target)


def _lineage(model: Path) -> dict[str, Any]:
    content = read_object(model / "lineage.json")
    if content is None or not content.keys() >= {"data_hash", "code_version", "config"}:
        raise RaytideError(
            f"No trained model in {model}; run a train job first, or correct spec.model (a run's export folder)."
        )
    return content


def _production(name: str) -> ModelVersion | None:
    return next((version for version in versions(name) if "production" in version.aliases), None)


def _scores(
    spec: EvaluateSpec,
    data: Path,
    model: Path,
    lineage: Mapping[str, Any],
    production: ModelVersion | None,
    asked: dict[str, tuple[Task, Asked]],
) -> dict[str, Scores]:
    """What was measured of each model; a Ray task for its text, and one for its questions."""
    import ray

    resources = _resources(spec)
    read = ray.remote(**resources)(score)
    answer = ray.remote(**resources, runtime_env={"env_vars": OFFLINE})(answers_right)
    text = (data / "documents" / f"{HELD_OUT}.parquet", spec.max_held_out or math.inf)
    compared = {"trained": model} | ({"production": production.path} if production else {})
    texts = {
        **_before(read, text, model, lineage),
        **{name: read.remote(folder, *text) for name, folder in compared.items()},
    }
    rights = {name: answer.remote(folder, asked) for name, folder in compared.items()} if asked else {}
    scores = {}
    for name, pending in texts.items():
        scores[name] = Scores(text=ray.get(pending), right=ray.get(rights[name]) if name in rights else {})
        say(f"{name}: {_in_words(scores[name].text)}")
    return scores


def _judged(
    spec: EvaluateSpec,
    model: Path,
    lineage: Mapping[str, Any],
    production: ModelVersion | None,
    prompts: list[str],
) -> Judged | None:
    """The model's answers beside those of what serves, else of what it started from; none of a first model."""
    import ray

    pairwise = spec.pairwise
    others = {"production": production.path} if production else {}
    others |= {"start": Path(lineage["start"])} if "start" in lineage else {}
    if pairwise is None or not others:
        say("nothing to judge the answers beside: no production version, and no model that this one started from")
        return None
    beside, other = next(iter(others.items()))
    asked, answer = ServedJudge(pairwise), ray.remote(**_resources(spec))(answers)
    try:
        ours, theirs = ray.get([answer.remote(folder, pairwise, prompts) for folder in (model, other)])
        return judged(pairwise, prompts, ours, theirs, beside, asked.prefers)
    finally:
        asked.close()


def _resources(spec: EvaluateSpec) -> dict[str, int]:
    return {"num_cpus": 1, "num_gpus": 0 if spec.accelerator == "CPU" else 1}


def _before(read: Any, text: tuple[Path, float], model: Path, lineage: Mapping[str, Any]) -> dict[str, Any]:
    """The pending score of what training began with: the model that it started from, else random weights."""
    if "start" in lineage:
        return {"start": read.remote(Path(lineage["start"]), *text)}
    return {"untrained": read.remote(model, *text, untrained_seed=lineage["config"]["seed"])}


def _in_words(scored: Score) -> str:
    return (
        f"perplexity {scored.perplexity:.2f}, {scored.bits_per_byte:.3f} bits per byte "
        f"({scored.tokens} tokens, {scored.bytes} bytes)"
    )


def _metrics(scores: Mapping[str, Scores], before: str) -> dict[str, float]:
    trained, production = scores["trained"].text, scores.get("production")
    beside = {} if production is None else {"production_bits_per_byte": production.text.bits_per_byte}
    accuracies = {f"accuracy_{name}": sum(right) / len(right) for name, right in scores["trained"].right.items()}
    return {
        "perplexity": trained.perplexity,
        "bits_per_byte": trained.bits_per_byte,
        f"{before}_perplexity": scores[before].text.perplexity,
        **beside,
        **accuracies,
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


def _conclude(report: Mapping[str, Any], target: Path) -> None:
    for reason in report["reasons"]:
        say(f"- {reason}")
    say(f"report in {target} and {target.with_suffix('.html').name}")
    registered = report["registered"]
    if registered is None:
        raise GateFailed("The model did not pass the gate and is not registered; the report has the reasons.")
    say(f"registered {registered['name']} version {registered['version']} as {registered['alias']}")
