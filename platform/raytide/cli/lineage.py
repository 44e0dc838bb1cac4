"""Where a model comes from, for people: its data, code, run, configuration and evaluation."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from raytide.jobs.registry import ModelVersion

UNKNOWN: Final = "unknown: its export says nothing of it"
_SCORES: Final = ("perplexity", "bits_per_byte", "untrained_perplexity")


def traced(version: ModelVersion) -> dict[str, Any]:
    """The lineage as data; what the export or the registry does not say is None."""
    told, config = version.lineage, version.lineage.get("config", {})
    preferences = config.get("preferences") or {}
    return {
        "model": version.name,
        "version": version.version,
        "aliases": list(version.aliases),
        "files": str(version.path),
        "data": {
            "folder": config.get("data") or (config.get("examples") or preferences).get("file"),
            "data_hash": told.get("data_hash"),
            "counts": told.get("counts"),
            "feedback": told.get("feedback"),
            "beta": preferences.get("beta"),
        },
        "code_version": told.get("code_version"),
        "run": {key: told.get(key) for key in ("steps", "tokens", "final_loss", "wall_s", "usd")}
        | {"folder": version.tags.get("run_folder")},
        "config": config,
        "evaluation": {
            "report": version.tags.get("report"),
            "evaluated_on": version.evaluated_on,
            "metrics": dict(version.metrics),
        },
    }


def describe(lineage: Mapping[str, Any]) -> Iterator[str]:
    """A line for each link of the chain, from the model back to its data."""
    yield f"{lineage['model']} v{lineage['version']}  {' '.join(lineage['aliases'])}".rstrip()
    yield f"  files       {lineage['files']}"
    evaluation, run, data = lineage["evaluation"], lineage["run"], lineage["data"]
    yield f"  evaluation  {evaluation['report'] or UNKNOWN}"
    if scores := _scores(evaluation["metrics"]):
        yield f"              {scores}, on data {_short(evaluation['evaluated_on'])}"
    yield f"  run         {run['folder'] or UNKNOWN}"
    if run["steps"] is not None:
        cost = "" if run["usd"] is None else f", ${run['usd']:.4f}"
        yield f"              {run['steps']} steps, {run['tokens']:,} tokens, loss {run['final_loss']:g}{cost}"
    yield f"  config      {_config(lineage['config']) or UNKNOWN}"
    yield f"  code        {lineage['code_version'] or UNKNOWN}"
    yield f"  data        {data['folder'] or 'unknown folder'}, hash {_short(data['data_hash'])}"
    if data["beta"] is not None:
        yield f"              {', '.join(_preferences(data))}"


def _preferences(data: Mapping[str, Any]) -> Iterator[str]:
    """How many there were, of whose answers, and how far they could lead away from the model before."""
    if pairs := (data["counts"] or {}).get("pairs"):
        yield f"{pairs:,} pairs"
    if service := (data["feedback"] or {}).get("service"):
        yield f"feedback on service {service}"
    yield f"beta {data['beta']:g}"


def _scores(metrics: Mapping[str, float]) -> str:
    return ", ".join(f"{name.replace('_', ' ')} {metrics[name]:.4g}" for name in _SCORES if name in metrics)


def _config(config: Mapping[str, Any]) -> str:
    """What fits a line: plain values, a model's shape in short."""
    shown = {key: value for key, value in config.items() if isinstance(value, str | int | float) and key != "data"}
    return ", ".join(f"{key} {value}" for key, value in shown.items())


def _short(digest: str | None) -> str:
    return "unknown" if digest is None else digest[:16]
