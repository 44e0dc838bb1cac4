"""The reference service, `qwen3-32b.yaml`, as the benchmarks of the policy play it."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from raytide.autoscaling.simulate.service import terms_of
from raytide.autoscaling.terms import Terms
from raytide.core import catalog
from raytide.core.spec import Service, read_as


def reference_terms(cold_start_s: float | None = None) -> Terms:
    """Its terms, with this cold start of every variant instead of the declared one."""
    terms = terms_of(read_as(Service, Path(__file__).with_name("qwen3-32b.yaml")), catalog.load())
    if cold_start_s is None:
        return terms
    return replace(terms, variants=tuple(replace(v, cold_start_s=cold_start_s) for v in terms.variants))
