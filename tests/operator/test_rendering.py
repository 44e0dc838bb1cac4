from __future__ import annotations

from collections.abc import Callable
from io import StringIO
from pathlib import Path
from typing import Any

import pytest
from ray.serve.schema import ServeDeploySchema
from ruamel.yaml import YAML

from raytide.autoscaling.live.settings import BrainSettings
from raytide.autoscaling.missing import Missing
from raytide.autoscaling.policy import Raytide, Settings
from raytide.autoscaling.terms import Objective
from raytide.core.spec import Service, read_as
from raytide.core.spec.service import Scaling
from raytide.operator.plan.desired import ServedModel, application
from raytide.operator.plan.diff import plan
from raytide.services.settings import RevisionSettings

MODEL = ServedModel(path="/models/chat/3", label="chat v3")
GOLDEN = Path(__file__).parent / "golden"
GPU = (
    "spec.hardware=[{accelerator: H100, tensor_parallel: 2, cpus: 3, memory: 40GiB, market: spot}]",
    "spec.engine.args={max_model_len: 4096}",
    "spec.budget={max_usd_per_hour: 120}",
    "spec.route=/chat",
)


@pytest.fixture
def chat(repository: Path) -> Callable[..., Service]:
    def read(*overrides: str) -> Service:
        return read_as(Service, repository / "services" / "chat.yaml", overrides)

    return read


def _rendered(service: Service, *, model: ServedModel = MODEL, usd_per_hour: float | None = 0.05) -> dict[str, Any]:
    return application(
        service, model, prices=[usd_per_hour] * len(service.spec.hardware), journal="/home/journal/chat.jsonl"
    )


def _revision(rendered: dict[str, Any]) -> str:
    revision: str = rendered["args"]["revision"]
    return revision


@pytest.mark.parametrize(("name", "overrides"), [("chat", ()), ("chat-gpu", GPU)])
def test_a_service_is_rendered_as_committed(
    chat: Callable[..., Service], golden: Callable[[Path, str], None], name: str, overrides: tuple[str, ...]
) -> None:
    text = StringIO()
    YAML(typ="safe", pure=True).dump(_rendered(chat(*overrides)), text)
    golden(GOLDEN / f"{name}.yaml", text.getvalue())


@pytest.mark.parametrize("overrides", [(), GPU])
def test_serve_accepts_what_is_rendered(chat: Callable[..., Service], overrides: tuple[str, ...]) -> None:
    config = ServeDeploySchema.model_validate(
        {"http_options": {"host": "127.0.0.1", "port": 8000}, "applications": [_rendered(chat(*overrides))]}
    )
    assert config.applications[0].name == "chat"


def test_the_application_builder_accepts_what_is_rendered(chat: Callable[..., Service]) -> None:
    settings = RevisionSettings.model_validate(_rendered(chat())["args"])
    assert settings.variants[0].engine.model_path == MODEL.path


@pytest.mark.parametrize(
    "override",
    [
        "spec.engine.args.max_num_seqs=5",
        "spec.engine.args.max_model_len=256",
        "spec.hardware.0.cpus=2",
        "spec.hardware.0.memory=2GiB",
        "spec.hardware.0.accelerator=L4",
        "spec.hardware.0.market=spot",
        "metadata.name=talk",
    ],
)
def test_what_restarts_replicas_makes_a_new_revision(chat: Callable[..., Service], override: str) -> None:
    before, after = _rendered(chat()), _rendered(chat(override))
    assert before["args"] != after["args"]
    assert _revision(before) != _revision(after)


@pytest.mark.parametrize(
    "override",
    [
        "spec.scaling.max_replicas=9",
        "spec.scaling.min_replicas=2",
        "spec.scaling.interval=2s",
        "spec.hardware.0.cold_start=40s",
        "spec.scaling.scale_down_after=9m",
        "spec.scaling.stale_after=9s",
        "spec.objectives.ttft.p95=900ms",
        "spec.objectives.tpot.p99=90ms",
        "spec.budget={max_usd_per_hour: 3}",
        "spec.route=/chat",
    ],
)
def test_what_changes_in_place_keeps_the_revision(chat: Callable[..., Service], override: str) -> None:
    before, after = _rendered(chat()), _rendered(chat(override))
    assert before["args"] == after["args"]
    assert before != after


def test_another_price_keeps_the_revision(chat: Callable[..., Service]) -> None:
    before, after = _rendered(chat()), _rendered(chat(), usd_per_hour=None)
    assert before["args"] == after["args"]
    assert before != after


def test_the_brain_gets_the_declaration_as_the_terms_that_the_policy_takes(chat: Callable[..., Service]) -> None:
    known = "{iteration: {base: 5ms, per_prefill_token: 1ms}, kv_capacity_tokens: 900}"
    rendered = _rendered(chat(f"spec.hardware.0.performance={known}", "spec.scaling.scale_down_after=40s"))
    settings = BrainSettings.from_user_config(rendered["deployments"][-1]["user_config"])
    (variant,) = settings.terms.variants
    assert (variant.name, variant.usd_per_hour, variant.cold_start_s) == ("vllm-cpu", 0.05, 25.0)
    assert not isinstance(variant.engine, Missing)
    assert (variant.engine.kv_capacity_tokens, variant.engine.max_num_seqs) == (900, 4)
    assert settings.terms.objective == Objective(ttft_s=0.5, tpot_s=0.05, attainment=0.99)
    assert (settings.terms.min_replicas, settings.terms.max_replicas) == (1, 2)
    assert settings.policy.settings.least_hold_s == 40.0


def test_a_service_that_sets_no_knob_is_decided_on_as_the_simulator_decides() -> None:
    scaling = Scaling()
    assert (scaling.interval, scaling.scale_down_after) == (Raytide().interval_s, Settings().least_hold_s)


def test_what_is_not_declared_reaches_the_brain_as_missing(chat: Callable[..., Service]) -> None:
    rendered = _rendered(chat(), usd_per_hour=None)
    (variant,) = BrainSettings.from_user_config(rendered["deployments"][-1]["user_config"]).terms.variants
    assert isinstance(variant.engine, Missing)
    assert variant.usd_per_hour == Missing(reason="no price is declared")
    assert plan(rendered, None).usd_per_hour is None


def test_another_model_makes_a_new_revision(chat: Callable[..., Service]) -> None:
    newer = ServedModel(path="/models/chat/4", label="chat v4")
    assert _revision(_rendered(chat())) != _revision(_rendered(chat(), model=newer))


def test_the_order_of_engine_arguments_makes_no_revision(chat: Callable[..., Service]) -> None:
    one, other = (
        chat(f"spec.engine.args={{{args}}}")
        for args in ("max_num_seqs: 4, dtype: auto", "dtype: auto, max_num_seqs: 4")
    )
    assert _revision(_rendered(one)) == _revision(_rendered(other))


FAST = "{iteration: {base: 10ms, per_prefill_token: 50us}, kv_capacity_tokens: 60000}"
SLOW = "{iteration: {base: 30ms, per_prefill_token: 200us}, kv_capacity_tokens: 20000}"
MIXED = (
    f"spec.hardware=[{{accelerator: H100, max_replicas: 1, performance: {FAST}}}, "
    f"{{accelerator: L4, market: spot, performance: {SLOW}}}]",
    "spec.engine={kind: emulated, args: {max_num_seqs: 16}}",
    "spec.scaling={min_replicas: 2, max_replicas: 6}",
)


def test_each_hardware_entry_is_a_variant_with_its_own_nodes_and_speed(chat: Callable[..., Service]) -> None:
    settings = RevisionSettings.model_validate(_rendered(chat(*MIXED))["args"])
    fast, slow = settings.variants
    assert (fast.name, slow.name) == ("emulated-h100", "emulated-l4-spot")
    assert slow.label_selector == {"ray.io/accelerator-type": "L4", "ray.io/market-type": "spot"}
    assert (fast.num_gpus, slow.num_gpus) == (1, 1)
    assert fast.engine.speed is not None
    assert (fast.engine.speed["kv_capacity_tokens"], fast.engine.speed["max_num_seqs"]) == (60000, 16)


def test_with_others_beside_it_a_variant_may_stop_and_the_first_ones_hold_the_minimum(
    chat: Callable[..., Service],
) -> None:
    fast, slow, brain = _rendered(chat(*MIXED))["deployments"]
    sizes = [entry["autoscaling_config"] for entry in (fast, slow)]
    assert [(size["min_replicas"], size["initial_replicas"], size["max_replicas"]) for size in sizes] == [
        (0, 1, 1),
        (0, 1, 6),
    ]
    terms = BrainSettings.from_user_config(brain["user_config"]).terms
    assert [variant.name for variant in terms.variants] == ["emulated-h100", "emulated-l4-spot"]
    assert [variant.spot for variant in terms.variants] == [False, True]
    assert (terms.min_replicas, terms.max_replicas) == (2, 6)


def test_serve_accepts_a_service_of_several_variants(chat: Callable[..., Service]) -> None:
    ServeDeploySchema.model_validate({"applications": [_rendered(chat(*MIXED))]})


def test_a_replica_that_spans_nodes_gets_its_stages_and_ray_as_their_executor(chat: Callable[..., Service]) -> None:
    spanning = "spec.hardware=[{accelerator: H100, tensor_parallel: 8, pipeline_parallel: 2}]"
    (variant,) = RevisionSettings.model_validate(_rendered(chat(spanning))["args"]).variants
    assert (variant.name, variant.num_gpus, variant.num_nodes) == ("vllm-h100x8-pp2", 16, 2)
    args = variant.engine.args
    assert (args["tensor_parallel_size"], args["pipeline_parallel_size"]) == (8, 2)
    assert args["distributed_executor_backend"] == "ray"


def test_what_the_catalog_expects_of_a_known_model_is_known_before_a_replica_has_run(
    chat: Callable[..., Service],
) -> None:
    service = chat("spec.hardware=[{accelerator: H100}, {accelerator: L4}]", "spec.engine.args={max_model_len: 4096}")
    model = ServedModel(path="Qwen/Qwen3-32B", label="hf://Qwen/Qwen3-32B")
    brain = _rendered(service, model=model)["deployments"][-1]
    large, small = BrainSettings.from_user_config(brain["user_config"]).terms.variants
    assert not isinstance(large.engine, Missing)
    assert isinstance(small.engine, Missing)  # 32 billion parameters do not fit into 24 GB


def test_adapters_reach_the_engine_by_the_names_that_clients_use(chat: Callable[..., Service]) -> None:
    adapted = ServedModel(path="/models/chat/3", label="chat v3", adapters={"chat-sql": "/adapters/sql"})
    (variant,) = RevisionSettings.model_validate(_rendered(chat(), model=adapted)["args"]).variants
    assert variant.engine.adapters == {"chat-sql": "/adapters/sql"}
