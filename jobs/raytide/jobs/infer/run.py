"""The infer job: a model's answers to a data set, all or nothing, and no shard answered twice."""

from __future__ import annotations

import logging
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

from raytide.core.errors import RaytideError, RunFailed
from raytide.core.home import below_home
from raytide.core.spec.infer import InferSpec
from raytide.jobs.artefact import exclusive, resumed_folder, sha256_of_folder, sha256_of_json, write_json
from raytide.jobs.code_version import code_version
from raytide.jobs.differences import differences
from raytide.jobs.entry import connected, say
from raytide.jobs.infer.answers import Gathering, counted, write_answers
from raytide.jobs.infer.engines import answers
from raytide.jobs.infer.prompts import Shard, fingerprint, input_files, shards_of
from raytide.jobs.json_file import read_object
from raytide.jobs.train.start import resolve_start

FILE: Final = "manifest.json"
_SPENT: Final = "spent.json"
CHANGES_NOTHING: Final = {"model", "input", "output", "engines", "accelerator", "tensor_parallel", "price"}
"""Settings that may differ when a job is resumed; model and input count by what is in them."""


def run(spec: InferSpec) -> None:
    """Writes the answers, or finds them there already."""
    output, files = below_home(spec.output), input_files(below_home(spec.input))
    model, shards = resolve_start(spec.model, "spec.model"), shards_of(files, spec.rows_per_shard)
    made_from = origin(spec, model, files)
    with exclusive(output):
        if output.exists():
            _check_same(output, made_from)
            say(f"{output} is up to date; nothing to do.")
            return
        with connected(), resumed_folder(output, sha256_of_json([made_from, code_version()])) as folder:
            _answer(spec, model, shards, folder)
            written = manifest(spec, made_from, folder)
            write_json(folder / FILE, written)
            (folder / _SPENT).unlink(missing_ok=True)
    say(f"{_in_words(written)} in {output}")


def origin(spec: InferSpec, model: Path, files: tuple[Path, ...]) -> dict[str, Any]:
    """What decides the answers."""
    settings = spec.model_dump(mode="json", exclude=CHANGES_NOTHING)
    return {**settings, "model_hash": sha256_of_folder(model), "input_hash": fingerprint(files)}


def manifest(spec: InferSpec, made_from: Mapping[str, Any], folder: Path) -> dict[str, Any]:
    """What was answered, from what, and what it took; engine seconds count every try."""
    files = sorted(folder.glob("shard-*.parquet"))
    counts, engine_s = counted(files), _spent(folder)
    tokens = counts["prompt_tokens"] + counts["output_tokens"]
    usd = None if spec.price is None else spec.price * engine_s / 3600
    return {
        "answers_hash": fingerprint(tuple(files)),
        "made_from": dict(made_from),
        "shards": len(files),
        **counts,
        "engine_s": round(engine_s, 1),
        "tokens_per_s": round(tokens / engine_s, 1) if engine_s else None,
        "usd": None if usd is None else round(usd, 6),
        "usd_per_million_tokens": None if usd is None or not tokens else round(usd / tokens * 1e6, 4),
        "code_version": code_version(),
    }


def _answer(spec: InferSpec, model: Path, shards: tuple[Shard, ...], folder: Path) -> None:
    """Answers the shards that are not there."""
    left = [shard for shard in shards if not (folder / shard.name).exists()]
    done, before, start = len(shards) - len(left), _spent(folder), time.monotonic()
    known = f"; {done} shards were answered before" if done else ""
    say(f"{sum(shard.rows for shard in left)} prompts in {len(left)} shards{known}")
    if not left:
        return
    _quieten()
    gathering = Gathering({shard.number: shard for shard in left})
    for answer in answers(spec, model, left):
        if (complete := gathering.add(answer)) is not None:
            shard, rows = complete
            # An engine is paid for from its start; the time since the last shard of a killed try is not counted.
            write_json(folder / _SPENT, {"engine_s": before + spec.engines * (time.monotonic() - start)})
            write_answers(folder / shard.name, rows)
            done += 1
            say(f"shard {done} of {len(shards)}")
    if done < len(shards):
        raise RunFailed(f"{len(shards) - done} shards are not complete; submit the job again to go on with them.")


def _spent(folder: Path) -> float:
    """Engine seconds of all tries so far."""
    return float((read_object(folder / _SPENT) or {"engine_s": 0.0})["engine_s"])


def _check_same(output: Path, made_from: Mapping[str, Any]) -> None:
    content = read_object(output / FILE)
    if content is None or "answers_hash" not in content:
        raise RaytideError(f"{output} is there, and is no output of an infer job; choose another spec.output.")
    if changed := differences(content["made_from"], made_from):
        raise RaytideError(
            f"{output} was made from something else ({changed}); choose another spec.output, or delete that folder."
        )


def _quieten() -> None:
    """Ray Data prints a page every ten seconds; this job says it in a line a shard."""
    import ray.data

    logging.getLogger("ray.data").setLevel(logging.CRITICAL)
    ray.data.DataContext.get_current().enable_progress_bars = False


def _in_words(written: Mapping[str, Any]) -> str:
    price = written["usd_per_million_tokens"]
    cost = "" if price is None else f", ${written['usd']:.4f}: ${price:.2f} a million tokens"
    failed = f", {written['failed']} without an answer" if written["failed"] else ""
    return (
        f"{written['rows']} answers{failed}, {written['prompt_tokens']} + {written['output_tokens']} tokens "
        f"({written['tokens_per_s']} tokens/s{cost})"
    )
