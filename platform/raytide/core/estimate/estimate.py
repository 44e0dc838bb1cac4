"""A scenario to its estimate: the sections of arithmetic, and what to know about them."""

from __future__ import annotations

from dataclasses import dataclass

from raytide.core.catalog.catalog import Catalog
from raytide.core.catalog.columns import EngineColumn
from raytide.core.catalog.errors import CatalogError
from raytide.core.catalog.memory import replica_memory
from raytide.core.catalog.missing import Missing
from raytide.core.catalog.models import ModelShape
from raytide.core.catalog.roofline import KNOWN_ERROR
from raytide.core.estimate.memory import memory_section, replica_size
from raytide.core.estimate.scenario import DEFAULT_BATCH, Scenario
from raytide.core.estimate.serving import Service, latency_section, load_section
from raytide.core.estimate.step import Section
from raytide.core.estimate.training import training_section


@dataclass(frozen=True, slots=True, kw_only=True)
class Estimate:
    """The arithmetic, and what it rests on."""

    sections: tuple[Section, ...]
    notes: tuple[str, ...]
    """Sources, assumptions and known errors, a sentence each."""

    def __getitem__(self, title: str) -> Section:
        """The section whose title starts so."""
        return next(section for section in self.sections if section.title.startswith(title))


def estimate(scenario: Scenario, catalog: Catalog) -> Estimate:
    """The estimate of a scenario.

    Raises:
        CatalogError: The model does not fit on its hardware, or the scenario says too little.
    """
    if scenario.model is None:
        return Estimate(sections=(_load_alone(scenario),), notes=(_price_note(scenario),))
    if scenario.train_tokens is not None and scenario.requests_per_s is None and scenario.users is None:
        sections: tuple[Section, ...] = (training_section(scenario.model, scenario, scenario.train_tokens),)
        return Estimate(sections=sections, notes=(_shape_note(scenario.model), _price_note(scenario)))
    return _served(scenario, scenario.model, catalog)


def _served(scenario: Scenario, model: ModelShape, catalog: Catalog) -> Estimate:
    size = replica_size(model, scenario)
    column = catalog.column(model, scenario.accelerator, scenario.precision, size)
    num_requests = _requests_at_once(model, scenario, size)
    latency = latency_section(scenario, column, num_requests)
    seconds = scenario.seconds_per_request or latency["time of a request"].value
    service = Service(size=size, num_requests=num_requests, seconds_per_request=seconds)
    sections = [memory_section(model, scenario, size), latency, load_section(scenario, service)]
    if scenario.train_tokens is not None:
        sections.append(training_section(model, scenario, scenario.train_tokens))
    return Estimate(
        sections=tuple(sections), notes=(_shape_note(model), _column_note(column, model), _price_note(scenario))
    )


def _load_alone(scenario: Scenario) -> Section:
    """The accelerators for a load whose service time is known; no model is needed for it."""
    if scenario.seconds_per_request is None or scenario.concurrency is None:
        raise CatalogError(
            "nothing says how long a request takes; give a model, its number of parameters, or both "
            "seconds per request and concurrency"
        )
    size = scenario.tensor_parallel or 1
    return load_section(
        scenario,
        Service(
            size=size,
            num_requests=scenario.concurrency * size,
            seconds_per_request=scenario.seconds_per_request,
        ),
    )


def _requests_at_once(model: ModelShape, scenario: Scenario, size: int) -> int:
    """As given for each accelerator; otherwise a usual batch, or what the KV cache holds where that is less.

    Raises:
        CatalogError: More are given than the KV cache of a replica holds.
    """
    memory = replica_memory(model, scenario.accelerator, size, scenario.precision, scenario.kv_precision)
    fit = memory.kv_capacity_tokens // scenario.context_tokens
    if scenario.concurrency is None:
        return min(DEFAULT_BATCH, fit)
    wanted = scenario.concurrency * size
    if wanted > fit:
        raise CatalogError(
            f"{wanted} requests of {scenario.context_tokens:,} tokens do not fit into the KV cache of {size} x "
            f"{scenario.accelerator.name}, which holds {memory.kv_capacity_tokens:,}; the most is {fit} requests, a "
            f"concurrency of {fit // size}"
        )
    return wanted


def _shape_note(model: ModelShape) -> str:
    return f"model: {model.name}, {model.layers} layers, {model.kv_heads} KV heads ({model.source})"


def _column_note(column: EngineColumn, model: ModelShape) -> str:
    if column.is_measured:
        error = "unknown" if isinstance(column.loo_error, Missing) else f"{column.loo_error:.1%}"
        return f"latency: measured on {column.engine}; error on points left out of the fit {error}"
    known = KNOWN_ERROR
    unseen = known.tpot_latent if model.is_latent else known.tpot_unseen
    which = "models with a latent cache" if model.is_latent else "a model that it was not calibrated on"
    return (
        f"latency: a roofline, not measured here. Against {known.num_points:,} measured points its TPOT is "
        f"off by {known.tpot_median:.0%} in the median and {known.tpot_mean:.0%} on average, {unseen:.0%} for {which}; "
        f"its TTFT by {known.ttft_mean:.0%} (`{known.command}`)"
    )


def _price_note(scenario: Scenario) -> str:
    price = scenario.price
    if isinstance(price, Missing):
        return f"price: {price.reason}"
    about = "about " if price.approximate else ""
    as_of = f", {price.as_of:%Y-%m}" if price.as_of else ""
    return f"price: {about}${price.usd_per_hour:g}/h for a {price.accelerator} {price.market} ({price.source}{as_of})"
