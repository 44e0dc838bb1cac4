"""Tasks of the LM Evaluation Harness (EleutherAI's lm-eval), with their data on this machine."""

from __future__ import annotations

import contextlib
import logging
from collections.abc import Mapping
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Any, Final

from raytide.core.errors import RaytideError
from raytide.jobs.evaluate.examinee import Examinee

OFFLINE: Final = {"HF_HUB_OFFLINE": "1", "HF_DATASETS_OFFLINE": "1", "TQDM_DISABLE": "1"}
"""Environment of a process that runs them: what needs the network fails at once instead of hanging."""
_LOCAL: Final = ("json", "csv", "parquet", "text", "arrow")
"""Builders of `datasets` that read files."""


@dataclass(frozen=True, slots=True, kw_only=True)
class HarnessTask:
    """A task as its file declares it."""

    name: str
    """As `task:` says, which is how its results are found."""
    file: Path
    metric: str
    """Of each question one or zero, as `acc` and `exact_match` are."""


def read_harness_task(file: Path, named: str) -> HarnessTask:
    """The task of a YAML file; no code of its own is run, so that `!function` is refused.

    Raises:
        RaytideError: It is none that can run here; the sentence says why.
    """
    if find_spec("lm_eval") is None:
        raise RaytideError(f"{named} is a task of lm-eval, which is not installed: `pip install raytide[lm-eval]`.")
    declared = _declared(file, named)
    if declared.get("dataset_path") not in _LOCAL:
        raise RaytideError(
            f"{file} reads its data from {declared.get('dataset_path')!r}; give files of this machine instead: "
            f"`dataset_path` one of {', '.join(_LOCAL)} and `dataset_kwargs: {{data_files: …}}` beside the task."
        )
    name, metrics = declared.get("task"), declared.get("metric_list")
    match name, metrics:
        case str(), [{"metric": str(metric)}, *_]:
            return HarnessTask(name=name, file=file, metric=metric)
    raise RaytideError(f"{file} is no task of lm-eval: it needs `task` and `metric_list`; correct {named}.")


def harness_right(examinee: Examinee, task: HarnessTask) -> list[bool]:
    """Of each question, whether its metric is one; data files are looked for beside the task's own.

    Raises:
        RaytideError: lm-eval cannot run it, or its metric is no matter of right and wrong.
    """
    from lm_eval.evaluator import evaluate
    from lm_eval.models.huggingface import HFLM
    from lm_eval.tasks import TaskManager

    logging.getLogger("lm_eval").setLevel(logging.ERROR)
    model = HFLM(pretrained=examinee.model, tokenizer=examinee.tokenizer, device=str(examinee.model.device))
    try:
        with contextlib.chdir(task.file.parent):
            loaded = TaskManager(include_defaults=False).load([str(task.file)])
            found = evaluate(model, loaded, bootstrap_iters=0, log_samples=True)
    except Exception as error:  # whatever a library raises for a task that somebody wrote
        raise RaytideError(f"lm-eval cannot run {task.file} ({type(error).__name__}: {error}).") from error
    return [_is_right(sample, task) for sample in sorted(found["samples"][task.name], key=_of_document)]


def _declared(file: Path, named: str) -> Mapping[str, Any]:
    import yaml

    try:
        declared = yaml.safe_load(file.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
        raise RaytideError(f"{file} cannot be read as plain YAML ({error}); correct {named}.") from error
    if not isinstance(declared, dict):
        raise RaytideError(f"{file} holds no task of lm-eval; correct {named}.")
    return declared


def _of_document(sample: Mapping[str, Any]) -> int:
    return int(sample["doc_id"])


def _is_right(sample: Mapping[str, Any], task: HarnessTask) -> bool:
    value = float(sample[task.metric])
    if value not in (0.0, 1.0):
        raise RaytideError(
            f"{task.metric} of {task.file} is {value:g} for a question, neither right nor wrong; put a metric such as "
            "acc or exact_match first in its metric_list."
        )
    return value == 1.0
