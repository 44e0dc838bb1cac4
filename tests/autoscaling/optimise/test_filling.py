from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from raytide.autoscaling.optimise.covering import Covering
from raytide.autoscaling.optimise.filling import filled
from raytide.autoscaling.optimise.program import Program, Rows, relaxed

TENTHS = st.integers(1, 40).map(lambda tenths: tenths / 10)
COLUMNS = st.lists(st.tuples(TENTHS, TENTHS, st.integers(0, 6)), min_size=1, max_size=12)


def _covering(columns: list[tuple[float, float, int]], work: float, max_replicas: int) -> Covering:
    costs, capacity, most = (np.array(each) for each in zip(*columns, strict=True))
    return Covering(
        costs=costs,
        rows=np.stack([capacity, -np.ones(costs.size)]),
        least=np.array([work, -float(max_replicas)]),
        most=most,
        now=np.zeros_like(most),
        max_total=max_replicas,
    )


def _relaxed_cost(covering: Covering) -> float:
    program = Program(
        costs=covering.costs,
        rows=Rows.of_dense(covering.rows, covering.needs),
        most=covering.most.astype(np.float64),
    )
    solution = relaxed(program)
    assert solution is not None
    return solution.cost


@given(columns=COLUMNS, work=TENTHS, max_replicas=st.integers(1, 30))
def test_what_is_filled_is_feasible_and_costs_what_the_solver_says(
    columns: list[tuple[float, float, int]], work: float, max_replicas: int
) -> None:
    covering = _covering(columns, work, max_replicas)
    found = filled(covering)
    if found is not None:
        assert (covering.rows @ found.x >= covering.needs - 1e-9).all()
        assert found.cost == pytest.approx(_relaxed_cost(covering), rel=1e-7)


def test_the_cheapest_per_unit_of_work_come_first_and_the_last_in_part() -> None:
    found = filled(_covering([(2.0, 1.0, 4), (1.0, 1.0, 2), (9.0, 3.0, 4)], 3.0, 10))
    assert found is not None
    assert found.x.tolist() == pytest.approx([1.0, 2.0, 0.0])
    assert found.duals.tolist() == [2.0, 0.0]


@pytest.mark.parametrize(("work", "max_replicas"), [(3.0, 2), (9.0, 10)])
def test_a_bound_that_binds_too_is_left_to_the_solver(work: float, max_replicas: int) -> None:
    assert filled(_covering([(2.0, 1.0, 4), (1.0, 1.0, 2)], work, max_replicas)) is None
