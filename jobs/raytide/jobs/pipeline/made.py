"""What a job was made from, and what it made: hashes of contents, so that folders and dates do not count."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any, Final

from raytide.core.errors import RaytideError
from raytide.core.home import below_home
from raytide.core.spec.evaluate import EvaluateSpec
from raytide.core.spec.infer import InferSpec
from raytide.core.spec.job import JobSpec
from raytide.core.spec.preprocess import PreprocessSpec
from raytide.core.spec.train import TrainSpec
from raytide.jobs.artefact import sha256_of_file, sha256_of_folder, sha256_of_json
from raytide.jobs.code_hash import code_hash
from raytide.jobs.json_file import read_object
from raytide.jobs.preprocess.corpus import list_files
from raytide.jobs.preprocess.manifest import FILE, origin, read_manifest
from raytide.jobs.train.export import LINEAGE
from raytide.jobs.train.feedback import file_of

_PLACES: Final = {"data", "model", "report"}
"""Keys of an evaluation that name a place, whose content counts instead."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Made:
    """The result of a job, as it lies there."""

    digest: str
    """Of its content."""
    passed: bool = True
    """Whether its gate, where it has one, said yes."""
    says: str
    registered: tuple[str, int] | None = None
    """Name and version of the model that it registered."""


def inputs_of(spec: JobSpec) -> dict[str, str]:
    """Hashes of all that decides what a job makes, by what it is: its settings, this code, and each thing it reads.

    Raises:
        RaytideError: Something that it reads is not there, or does not fit.
    """
    code = {"code": code_hash(f"raytide.jobs.{spec.task}.run")}
    match spec:
        case PreprocessSpec():
            return code | _of_preprocess(spec)
        case TrainSpec():
            return code | _of_train(spec)
        case EvaluateSpec():
            return code | _of_evaluate(spec)
        case InferSpec():
            return code | _of_inference(spec)


def made_by(spec: JobSpec) -> Made | None:
    """What lies where the job writes; None where that is nothing, not whole, or something else."""
    try:
        return _made_by(spec)
    except (RaytideError, LookupError, TypeError, ValueError):
        return None


def _made_by(spec: JobSpec) -> Made | None:
    match spec:
        case PreprocessSpec():
            return _data(below_home(spec.output))
        case TrainSpec():
            return _model(below_home(spec.output) / "export")
        case EvaluateSpec():
            return _verdict(below_home(spec.report))
        case InferSpec():
            return _answers(below_home(spec.output))


def _of_preprocess(spec: PreprocessSpec) -> dict[str, str]:
    made_from = origin(spec, list_files(spec.corpus))
    corpus = {"corpus": made_from.pop("corpus_fingerprint")}
    read = {key: str(made_from.pop(key)) for key in ("tokenizer_sha256", "evaluation_fingerprints") if key in made_from}
    return {"settings": sha256_of_json(made_from)} | corpus | read


def _of_train(spec: TrainSpec) -> dict[str, str]:
    from raytide.jobs.train.prepare import plan_of
    from raytide.jobs.train.run import CHANGES_NOTHING

    lineage = plan_of(spec).lineage
    settings = {"settings": sha256_of_json(spec.model_dump(mode="json", exclude=CHANGES_NOTHING))}
    read = {"data": "data_hash", "start": "start_hash"}
    return settings | {name: lineage[key] for name, key in read.items() if key in lineage}


def _of_evaluate(spec: EvaluateSpec) -> dict[str, str]:
    model = below_home(spec.model)
    if not (model / LINEAGE).is_file():
        raise RaytideError(f"No trained model in {model}; correct spec.model (a run's export folder).")
    settings = spec.model_dump(mode="json", exclude=_PLACES)
    return {
        "settings": sha256_of_json(settings),
        "data": read_manifest(below_home(spec.data))["data_hash"],
        "model": _hash_of_model(model),
        "questions": sha256_of_json(_questions(spec)),
        **_production(spec.registry.name, model),
    }


def _of_inference(spec: InferSpec) -> dict[str, str]:
    from raytide.jobs.infer.prompts import input_files
    from raytide.jobs.infer.run import origin
    from raytide.jobs.train.start import resolve_start

    made_from = origin(spec, resolve_start(spec.model, "spec.model"), input_files(below_home(spec.input)))
    read = {"model": made_from.pop("model_hash"), "prompts": made_from.pop("input_hash")}
    return {"settings": sha256_of_json(made_from)} | read


def _questions(spec: EvaluateSpec) -> dict[str, str]:
    files = {task.name: file_of(below_home(task.file)) for task in spec.tasks}
    files |= {".pairwise": below_home(spec.pairwise.file)} if spec.pairwise else {}  # no task is called so
    if missing := [str(file) for file in files.values() if not file.is_file()]:
        raise RaytideError(f"No questions in {', '.join(missing)}; correct spec.tasks and spec.pairwise.")
    return {name: sha256_of_file(file) for name, file in files.items()}


def _production(name: str, model: Path) -> dict[str, str]:
    """What serves is what a model is compared with; nothing where it is that model itself."""
    from raytide.jobs.registry import versions

    served = next((version for version in versions(name) if "production" in version.aliases), None)
    beside = "" if served is None else _hash_of_model(served.path)
    return {} if beside == _hash_of_model(model) else {"production": beside}


@cache
def _hash_of_model(folder: Path) -> str:
    """Exported and registered models never change, so that each is read once."""
    return sha256_of_folder(folder)


def _data(folder: Path) -> Made | None:
    if not (folder / FILE).is_file():
        return None
    manifest = read_manifest(folder)
    if not all((folder / name).is_file() for name in manifest.get("sha256", {})):
        return None
    tokens = sum(split.get("tokens", 0) for split in manifest.get("splits", {}).values())
    return Made(digest=manifest["data_hash"], says=f"{tokens:,} tokens in {folder}")


def _model(folder: Path) -> Made | None:
    lineage = read_object(folder / LINEAGE)
    if lineage is None:
        return None
    says = f"{lineage['steps']} steps, loss {lineage['final_loss']:g}, in {folder}"
    return Made(digest=_hash_of_model(folder), says=says)


def _answers(folder: Path) -> Made | None:
    written = read_object(folder / FILE)
    if written is None or len(list(folder.glob("shard-*.parquet"))) != written["shards"]:
        return None
    return Made(digest=written["answers_hash"], says=f"{written['rows']:,} answers in {folder}")


def _verdict(file: Path) -> Made | None:
    report = read_object(file)
    if report is None:
        return None
    registered = report["registered"]
    return Made(
        digest=sha256_of_file(file),
        passed=report["passed"],
        says=_registered(registered) if registered else "; ".join(report["reasons"]),
        registered=(registered["name"], registered["version"]) if registered else None,
    )


def _registered(registered: Mapping[str, Any]) -> str:
    return f"{registered['name']} v{registered['version']} is {registered['alias']}"
