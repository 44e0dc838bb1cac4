"""From a spec to a plan whose parts exist and fit together, before anything runs."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Final

from raytide.core.errors import RaytideError
from raytide.core.home import below_home
from raytide.core.spec.train import Examples, Preferences, TrainSpec
from raytide.jobs.artefact import sha256_of_file, sha256_of_folder, sha256_of_json, write_json
from raytide.jobs.code_version import code_version
from raytide.jobs.entry import say
from raytide.jobs.json_file import read_object
from raytide.jobs.model_config import num_positions
from raytide.jobs.preprocess.manifest import read_manifest
from raytide.jobs.train.dataset import Dataset
from raytide.jobs.train.examples import FILE, encode_examples, write_examples
from raytide.jobs.train.feedback import file_of, find_feedback
from raytide.jobs.train.plan import Plan
from raytide.jobs.train.preferences import encode_preferences
from raytide.jobs.train.start import check_same_tokenizer, resolve_start

_COUNTS: Final = "examples.json"


def plan_of(spec: TrainSpec) -> Plan:
    """The run that a spec declares.

    Raises:
        RaytideError: What it is made from is not there, or does not fit together; the sentence says what.
    """
    start = resolve_start(spec.start) if spec.start else None
    plan = Plan(
        spec=spec,
        output=below_home(spec.output),
        start=start,
        lineage={"code_version": code_version(), "config": spec.model_dump(mode="json")},
    )
    plan.lineage.update({"start": str(start), "start_hash": sha256_of_folder(start)} if start else {})
    match spec:
        case TrainSpec(examples=Examples() as examples):
            return _of_examples(plan, examples)
        case TrainSpec(preferences=Preferences() as preferences):
            return _of_preferences(plan, preferences)
    return _of_data(plan, below_home(spec.data or ""))


def prepare_examples(plan: Plan) -> Plan:
    """Puts what a run learns from into its folder, in the tokens of its model, unless an earlier attempt did.

    Returns:
        The plan; its lineage says how many examples or pairs there are, and how many were left out.
    """
    if plan.data is not None:
        return plan
    if not (plan.output / FILE).exists():
        _prepare(plan)
    return replace(plan, lineage=plan.lineage | {"counts": read_object(plan.output / _COUNTS)})


def _prepare(plan: Plan) -> None:
    wanted, start = plan.spec.examples or plan.spec.preferences, plan.start
    assert wanted is not None, "the spec refuses a run without any data"
    assert start is not None, "the spec refuses examples and preferences without a start"
    max_tokens = min(wanted.max_tokens, num_positions(start) or wanted.max_tokens)
    dataset, counts = _encoded(wanted, start, max_tokens)
    write_json(plan.output / _COUNTS, counts)
    write_examples(dataset, plan.output)
    say(_said(counts, dataset.sequence_length, max_tokens))


def _encoded(wanted: Examples | Preferences, start: Path, max_tokens: int) -> tuple[Dataset, dict[str, int]]:
    """`(rows, how many of what)`."""
    file = below_home(wanted.file)
    if isinstance(wanted, Examples):
        dataset, too_long = encode_examples(file, start, max_tokens)
        return dataset, {"examples": len(dataset), "too_long": too_long}
    pairs, too_long, alike = encode_preferences(file_of(file), start, max_tokens)
    return pairs.answers, {"pairs": len(pairs), "too_long": too_long, "alike": alike}


def _said(counts: dict[str, int], longest: int, max_tokens: int) -> str:
    (what, kept), *_ = counts.items()
    longer = f"; {counts['too_long']} longer than {max_tokens} left out" if counts["too_long"] else ""
    alike = f"; {counts['alike']} with twice the same answer left out" if counts.get("alike") else ""
    return f"{kept} {what} of at most {longest} tokens{longer}{alike}"


def _of_data(plan: Plan, data: Path) -> Plan:
    manifest = read_manifest(data)
    if plan.start is not None:
        check_same_tokenizer(plan.start, data)
    lineage = plan.lineage | {"data_hash": manifest["data_hash"]}
    return replace(plan, data=data, sequence_length=manifest["made_from"]["sequence_length"], lineage=lineage)


def _of_examples(plan: Plan, examples: Examples) -> Plan:
    file = below_home(examples.file)
    if not file.is_file():
        raise RaytideError(f"No examples in {file}; correct spec.examples.file.")
    made_of = {"sha256": sha256_of_file(file), "max_tokens": examples.max_tokens}
    return replace(plan, lineage=plan.lineage | {"data_hash": sha256_of_json(made_of)})


def _of_preferences(plan: Plan, preferences: Preferences) -> Plan:
    feedback = find_feedback(below_home(preferences.file))
    made_of = {"sha256": feedback.sha256, "max_tokens": preferences.max_tokens}
    told = {} if feedback.manifest is None else {"feedback": dict(feedback.manifest)}
    return replace(plan, lineage=plan.lineage | told | {"data_hash": sha256_of_json(made_of)})
