"""A trained model or adapter in the files that transformers, PEFT and vLLM load unchanged, with its lineage."""

from __future__ import annotations

import shutil
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Final

from raytide.jobs.artefact import new_folder, write_json
from raytide.jobs.train.metrics import read_metrics
from raytide.jobs.train.plan import Plan

LINEAGE: Final = "lineage.json"
_NOT_THE_TOKENIZERS: Final = {"config.json", LINEAGE, "adapter_config.json"}
_TOKENIZER_SUFFIXES: Final = {".json", ".jinja", ".txt", ".model"}


def export(model: Any, weights: dict[str, Any] | None, plan: Plan) -> None:
    """Writes `export/` of the run, unless an earlier attempt did; `weights` where the model holds only a shard."""
    if plan.export.exists():
        return
    with new_folder(plan.export) as folder:
        if weights is None:
            model.save_pretrained(folder)
        else:
            model.save_pretrained(folder, state_dict=_untied(weights, model))
        for file in _tokenizer_files(plan.tokenizer):
            shutil.copyfile(file, folder / file.name)
        write_json(folder / LINEAGE, plan.lineage | _outcome(plan))


def _untied(weights: dict[str, Any], model: Any) -> dict[str, Any]:
    """Without the output where it is the embedding: gathered shards no longer show that they are one matrix."""
    tied = model.config.tie_word_embeddings
    return {name: value for name, value in weights.items() if not (tied and name.endswith("lm_head.weight"))}


def _tokenizer_files(folder: Path) -> Iterator[Path]:
    for file in sorted(folder.iterdir()):
        if file.suffix in _TOKENIZER_SUFFIXES and file.name not in _NOT_THE_TOKENIZERS and "index" not in file.name:
            yield file


def _outcome(plan: Plan) -> dict[str, Any]:
    last = read_metrics(plan.output)[-1]
    outcome = {
        "steps": last["step"],
        "final_loss": round(last["loss"], 4),
        "tokens": last["tokens"],
        "samples_checksum": last["samples_checksum"],
        "tokens_per_s": round(last["tokens"] / last["elapsed_s"], 1),
        "wall_s": round(last["elapsed_s"], 1),
    }
    measured: Mapping[str, Any] = last
    rewards = {key: round(measured[key], 4) for key in ("reward_margin", "reward_accuracy") if key in measured}
    price = plan.spec.price
    cost = {} if price is None else {"usd": round(price * last["worker_s"] / 3600, 6)}
    kept = {"goodput": last["goodput"]} if "goodput" in last else {}
    return outcome | rewards | kept | cost
