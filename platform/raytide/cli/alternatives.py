"""The alternatives of a what-if: one declared service, and what changes in each of them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import get_args

from raytide.autoscaling.missing import Missing
from raytide.autoscaling.simulate.case import Case
from raytide.autoscaling.simulate.feasible import InfeasibleObjective, require_feasible
from raytide.autoscaling.simulate.service import terms_of, variant_name
from raytide.autoscaling.simulate.workloads import at_mean_rate
from raytide.autoscaling.terms import Terms
from raytide.cli.values import BadOption
from raytide.core.catalog import Catalog
from raytide.core.catalog.errors import unknown
from raytide.core.errors import SpecError
from raytide.core.spec import Service
from raytide.core.spec.cluster import Accelerator, Market
from raytide.core.spec.service import Hardware
from raytide.core.units import format_duration


@dataclass(frozen=True, slots=True, kw_only=True)
class Ask:
    """What else to look at, each list on its own: everything that is not in it stays as declared."""

    hardware: tuple[str, ...] = ()
    usd_per_hour: tuple[float, ...] = ()
    """Of one replica of the first hardware entry."""
    ttft_s: tuple[float, ...] = ()
    tpot_s: tuple[float, ...] = ()
    traffic: tuple[float, ...] = ()
    """Factors on the request rate."""
    cold_start_s: tuple[float, ...] = ()
    headroom: tuple[int, ...] = ()
    """Standing replicas beside what the policy asks for."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Alternative:
    """One way that things could be."""

    axis: str
    value: str
    case: Case | Missing
    """Missing where it cannot be: no such capacity, or an objective that nothing keeps."""
    num_standing: int = 0


def alternatives(service: Service, facts: Catalog, base: Case, ask: Ask) -> tuple[Alternative, ...]:
    """The service as declared, and each alternative to it."""
    first, *others = (variant.name for variant in base.terms.variants)
    declared = Alternative(axis="as declared", value=f"{first} +{len(others)}" if others else first, case=base)
    return (declared, *_hardware(service, facts, base, ask.hardware), *_terms(base, ask), *_world(base, ask))


def hardware_of(word: str, service: Service) -> Hardware:
    """The hardware of `H100:2` or `H100:2:spot`: the service's own entry where it has it, a new one otherwise.

    Raises:
        BadOption: the word is none of these.
        CatalogError: no accelerator has this name.
    """
    name, _, rest = word.partition(":")
    size, _, market = rest.partition(":")
    accelerators = {known.casefold(): known for known in get_args(Accelerator)}
    if name.casefold() not in accelerators:
        raise unknown("accelerator", name, tuple(accelerators.values()))
    if not (size or "1").isdecimal() or int(size or "1") < 1 or market not in ("", *get_args(Market)):
        raise BadOption(f"--hardware has {word!r}; write ACCELERATOR:GPUS or ACCELERATOR:GPUS:MARKET, as H100:2:spot")
    wanted = Hardware(
        accelerator=accelerators[name.casefold()],
        tensor_parallel=int(size or "1"),
        market=market or None,  # type: ignore[arg-type]  # one of the markets, as checked
    ).model_copy(update={"cold_start": service.spec.hardware[0].cold_start})
    own = {variant_name(hardware): hardware for hardware in service.spec.hardware}
    return own.get(variant_name(wanted), wanted)


def _hardware(service: Service, facts: Catalog, base: Case, words: Sequence[str]) -> Iterator[Alternative]:
    for word in words:
        hardware = hardware_of(word, service)
        other = service.model_copy(update={"spec": service.spec.model_copy(update={"hardware": (hardware,)})})
        yield _alternative("hardware", variant_name(hardware), base, _or_missing(other, facts))


def _or_missing(service: Service, facts: Catalog) -> Terms | Missing:
    try:
        return terms_of(service, facts)
    except SpecError as error:
        return Missing(reason="; ".join(finding.problem for finding in error.findings))


def _terms(base: Case, ask: Ask) -> Iterator[Alternative]:
    terms = base.terms
    for usd in ask.usd_per_hour:
        first, *others = terms.variants
        priced = replace(terms, variants=(replace(first, usd_per_hour=usd), *others))
        yield _alternative("price", f"${usd:g}/h", base, priced)
    for ttft_s in ask.ttft_s:
        bound = replace(terms, objective=replace(terms.objective, ttft_s=ttft_s))
        yield _alternative("TTFT", format_duration(ttft_s), base, bound)
    for tpot_s in ask.tpot_s:
        bound = replace(terms, objective=replace(terms.objective, tpot_s=tpot_s))
        yield _alternative("TPOT", format_duration(tpot_s), base, bound)


def _world(base: Case, ask: Ask) -> Iterator[Alternative]:
    for factor in ask.traffic:
        yield Alternative(axis="traffic", value=f"×{factor:g}", case=_scaled(base, factor))
    for cold_start_s in ask.cold_start_s:
        case = replace(base, conditions=replace(base.conditions, cold_start_s=cold_start_s))
        yield Alternative(axis="cold start", value=format_duration(cold_start_s), case=case)
    for num in ask.headroom:
        yield Alternative(axis="headroom", value=f"+{num} replicas", case=base, num_standing=num)


def _scaled(base: Case, factor: float) -> Case:
    if factor == 1.0:
        return base
    trace = at_mean_rate(base.trace, factor * base.trace.requests_per_s, seed=base.conditions.seed)
    return replace(base, trace=trace)


def _alternative(axis: str, value: str, base: Case, terms: Terms | Missing) -> Alternative:
    if isinstance(terms, Missing):
        return Alternative(axis=axis, value=value, case=terms)
    try:
        require_feasible(base.trace, terms)
    except InfeasibleObjective as error:
        return Alternative(axis=axis, value=value, case=Missing(reason=str(error)))
    # What equals the declaration is the same case, so that it is played once.
    case = base if terms == base.terms else replace(base, terms=terms)
    return Alternative(axis=axis, value=value, case=case)
