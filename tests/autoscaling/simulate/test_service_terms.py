from __future__ import annotations

from typing import Any

import pytest

from raytide.autoscaling.declared import COLD_START_S
from raytide.autoscaling.missing import Missing
from raytide.autoscaling.performance.engine import Engine
from raytide.autoscaling.simulate.precision import precision_of
from raytide.autoscaling.simulate.service import terms_of
from raytide.autoscaling.terms import Terms, TrafficClass, Variant
from raytide.core import catalog
from raytide.core.errors import SpecError
from raytide.core.spec import Service

MEASURED = {
    "iteration": {"base": "10ms", "per_sequence": "20us", "per_kv_token": "70ns", "per_prefill_token": "40us"},
    "kv_capacity_tokens": 100_000,
}
H100 = {"accelerator": "H100", "tensor_parallel": 2}


def _service(*hardware: dict[str, Any], source: str = "hf://Qwen/Qwen3-32B", **spec: Any) -> Service:
    return Service.model_validate(
        {
            "apiVersion": "raytide/v1",
            "kind": "Service",
            "metadata": {"name": "chat"},
            "spec": {
                "model": {"source": source},
                "hardware": hardware or (H100,),
                "objectives": {"ttft": {"p50": "1s", "p99": "2s"}, "tpot": {"p90": "80ms"}, "attainment": 0.98},
                **spec,
            },
        }
    )


def _terms(*hardware: dict[str, Any], **fields: Any) -> Terms:
    return terms_of(_service(*hardware, **fields), catalog.load())


def _engine(variant: Variant) -> Engine:
    assert not isinstance(variant.engine, Missing)
    return variant.engine


def test_the_bound_of_the_highest_quantile_counts() -> None:
    objective = _terms().objective
    assert (objective.ttft_s, objective.tpot_s, objective.attainment) == (2.0, 0.08, 0.98)


def test_a_measurement_in_the_file_beats_the_catalog() -> None:
    own, listed = (_terms(hardware).variants[0] for hardware in (H100 | {"performance": MEASURED}, H100))
    assert _engine(own).iteration.base_s == pytest.approx(0.010)
    assert _engine(own).kv_capacity_tokens == 100_000
    column = catalog.load().lookup("Qwen3-32B", "H100", "bf16", 2)
    assert not isinstance(column, catalog.Missing)
    assert _engine(listed).iteration.base_s == column.base_s


def test_hardware_that_nobody_measured_gets_the_roofline() -> None:
    engine = _engine(_terms({"accelerator": "A100-80G", "tensor_parallel": 2}).variants[0])
    facts = catalog.load()
    column = catalog.roofline(facts.model("Qwen3-32B"), facts.accelerator("A100-80G"), 2, "bf16")
    assert engine.iteration.per_prefill_token_s == column.per_prefill_token_s


def test_engine_arguments_bound_the_chunk_and_the_batch() -> None:
    default = _engine(_terms().variants[0])
    args = {"max_num_batched_tokens": 1024, "max_num_seqs": 64}
    given = _engine(_terms(engine={"kind": "vllm", "args": args}).variants[0])
    assert (default.chunk_tokens, default.max_num_seqs) == (2048, 256)
    assert (given.chunk_tokens, given.max_num_seqs) == (1024, 64)


def test_a_price_is_the_files_or_the_lists_for_every_accelerator() -> None:
    listed = catalog.load().price("H100", "spot")
    assert not isinstance(listed, catalog.Missing)
    own, spot = _terms(H100 | {"price": "$7/h", "cold_start": "45s"}, H100 | {"market": "spot"}).variants
    assert (own.usd_per_hour, own.cold_start_s, own.spot, own.name) == (7.0, 45.0, False, "2xH100")
    assert spot.usd_per_hour == pytest.approx(2 * listed.usd_per_hour)
    assert (spot.cold_start_s, spot.spot, spot.name) == (COLD_START_S, True, "2xH100-spot")


@pytest.mark.parametrize(
    ("source", "args", "precision"),
    [
        ("hf://Qwen/Qwen3-32B", {}, "bf16"),
        ("hf://Qwen/Qwen3-32B-FP8", {"dtype": "bfloat16"}, "fp8"),
        ("hf://Qwen/Qwen3-32B", {"quantization": "awq_marlin"}, "int4"),
        ("hf://Qwen/Qwen3-32B", {"dtype": "half"}, "fp16"),
    ],
)
def test_the_precision_is_read_from_arguments_and_name(source: str, args: dict[str, Any], precision: str) -> None:
    assert precision_of(_service(source=source, engine={"kind": "vllm", "args": args})) == precision


@pytest.mark.parametrize(
    ("hardware", "fields", "says"),
    [
        (H100, {"source": "registry:chat@production"}, "no performance data"),
        (H100, {"source": "hf://Qwen/Qwen3-33B"}, "did you mean 'Qwen3-32B'?"),
        ({"accelerator": "CPU"}, {}, "this is a CPU"),
        ({"accelerator": "L4"}, {}, "the nearest tensor_parallel that fits is 4"),
        ({"accelerator": "L4", "performance": MEASURED}, {}, "the nearest tensor_parallel that fits is 4"),
        (H100 | {"performance": MEASURED}, {"engine": {"args": {"max_model_len": 200_000}}}, "lower it to that"),
        ({"accelerator": "L40S", "tensor_parallel": 2, "market": "spot"}, {}, "no public spot price of L40S"),
        (H100 | {"price": "$7/h"}, {"budget": {"max_usd_per_hour": 6.0}}, "found $6/h, expected at least 7"),
        (
            H100 | {"price": "$7/h"},
            {"budget": {"max_usd_per_hour": 20.0}, "scaling": {"min_replicas": 3, "max_replicas": 4}},
            "what 3 replicas of the cheapest hardware cost; found $20/h, expected at least 21",
        ),
    ],
)
def test_what_cannot_run_is_a_finding(hardware: dict[str, Any], fields: dict[str, Any], says: str) -> None:
    with pytest.raises(SpecError) as error:
        _terms(hardware, **fields)
    assert says in str(error.value)


def test_traffic_classes_are_taken_over_and_none_is_the_default() -> None:
    assert _terms().classes == ()
    declared = {"classes": [{"name": "paid", "priority": 2, "value": 3.5}, {"name": "free", "priority": 0}]}
    assert _terms(traffic=declared).classes == (
        TrafficClass(name="paid", priority=2, value=3.5),
        TrafficClass(name="free", priority=0, value=1.0),
    )


def test_every_wrong_entry_is_found_at_once() -> None:
    with pytest.raises(SpecError) as error:
        _terms({"accelerator": "CPU"}, {"accelerator": "L4"}, H100)
    assert [finding.path for finding in error.value.findings] == ["spec.hardware.0", "spec.hardware.1"]
