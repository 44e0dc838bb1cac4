"""A trained model in the files that transformers and vLLM load unchanged, with its lineage."""

from __future__ import annotations

import shutil
from typing import TYPE_CHECKING, Any

from raytide.jobs.artefact import new_folder, write_json
from raytide.jobs.train.metrics import read_metrics
from raytide.jobs.train.plan import Plan

if TYPE_CHECKING:
    from transformers import LlamaForCausalLM

LINEAGE = "lineage.json"


def export(model: LlamaForCausalLM, plan: Plan) -> None:
    """Writes `export/` of the run, unless an earlier attempt did."""
    if plan.export.exists():
        return
    with new_folder(plan.export) as folder:
        model.save_pretrained(folder)
        shutil.copytree(plan.data / "tokenizer", folder, dirs_exist_ok=True)
        write_json(folder / LINEAGE, plan.lineage | _outcome(plan))


def _outcome(plan: Plan) -> dict[str, Any]:
    last = read_metrics(plan.output)[-1]
    outcome = {
        "steps": last["step"],
        "final_loss": round(last["loss"], 4),
        "tokens": last["tokens"],
        "tokens_per_s": round(last["tokens"] / last["elapsed_s"], 1),
        "wall_s": round(last["elapsed_s"], 1),
    }
    price = plan.spec.price
    cost = {} if price is None else {"usd": round(price * plan.spec.workers * last["elapsed_s"] / 3600, 6)}
    return outcome | cost
