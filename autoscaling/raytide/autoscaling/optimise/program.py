"""Linear and integer programs, solved by HiGHS on one thread: same input, same answer.

Limits count nodes, never seconds, so a busy machine decides as an idle one does.
"""

from __future__ import annotations

import threading
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]

_solvers = threading.local()
"""One solver for each thread: making one takes a third of the time of a small relaxation."""


_PRIMAL: Final = 4
"""Doing nothing is close to feasible, so the primal simplex takes half the time of the dual one on a horizon."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Rows:
    """Constraints `least ≤ A·x ≤ most` with A sparse, row by row."""

    starts: NDArray[np.int32]
    """Where each row begins in `columns`, and the length of that; shape (rows + 1,)."""
    columns: NDArray[np.int32]
    values: Floats
    least: Floats
    most: Floats

    @classmethod
    def of_dense(cls, matrix: Floats, least: Floats, most: Floats | None = None) -> Rows:
        """The rows `least ≤ matrix·x ≤ most`, without its zeros."""
        entries, width = matrix.ravel(), matrix.shape[1]
        places = entries.nonzero()[0]
        return cls(
            starts=places.searchsorted(np.arange(0, entries.size + 1, width)).astype(np.int32),
            columns=(places % width).astype(np.int32),
            values=entries[places],
            least=least,
            most=np.full(len(matrix), np.inf) if most is None else most,
        )


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Program:
    """Minimise `costs·x` under rows and `0 ≤ x ≤ most`."""

    costs: Floats
    rows: Rows
    most: Floats


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Solution:
    """A feasible point."""

    x: Floats
    duals: Floats
    """Rise of the cost per unit of each row's bound; of the relaxation only, zeros for an integer program."""
    cost: float
    bound: float
    """No feasible point costs less."""


def relaxed(program: Program) -> Solution | None:
    """The optimum where fractions are allowed; None where nothing is feasible."""
    solver = _kept()
    _pass(solver, program)  # forgets the basis of the program before: same input, same answer
    return _solution(solver, program)


def whole(program: Program, integers: NDArray[np.bool_], max_nodes: int, gap: float = 0.0) -> Solution | None:
    """The best point found with these columns integral, within `gap` or `max_nodes`; None where none was found."""
    solver = _new()
    _pass(solver, program, integers)
    solver.setOptionValue("mip_max_nodes", max_nodes)
    solver.setOptionValue("mip_rel_gap", gap)
    solver.setOptionValue("mip_abs_gap", 1e-9)
    return _solution(solver, program)


def _kept() -> Any:
    """The thread's solver of relaxations."""
    if not hasattr(_solvers, "relaxing"):
        _solvers.relaxing = _new()
        _solvers.relaxing.setOptionValue("presolve", "off")  # of a hundred rows it takes longer than it saves
        _solvers.relaxing.setOptionValue("simplex_strategy", _PRIMAL)
    return _solvers.relaxing


def _new() -> Any:
    import highspy

    new: Any = highspy.Highs
    solver = new()
    solver.setOptionValue("output_flag", False)
    solver.setOptionValue("threads", 1)
    return solver


def _pass(solver: Any, program: Program, integers: NDArray[np.bool_] | None = None) -> None:
    """By arrays: setting the fields of a model one by one takes as long as solving it."""
    import highspy

    rows, num = program.rows, program.costs.size
    kinds = np.zeros(num, dtype=np.int32) if integers is None else integers.astype(np.int32)
    solver.passModel(
        num,
        rows.least.size,
        rows.values.size,
        int(highspy.MatrixFormat.kRowwise),
        int(highspy.ObjSense.kMinimize),
        0.0,
        program.costs,
        np.zeros(num),
        program.most,
        rows.least,
        rows.most,
        rows.starts,
        rows.columns,
        rows.values,
        kinds,
    )


def _solution(solver: Any, program: Program) -> Solution | None:
    solver.run()
    info, found = solver.getInfo(), solver.getSolution()
    if not found.value_valid or info.primal_solution_status != 2:
        return None
    duals = np.array(found.row_dual) if found.dual_valid else np.zeros(program.rows.least.size)
    cost = float(info.objective_function_value)
    bound = float(info.mip_dual_bound) if not found.dual_valid else cost
    return Solution(x=np.array(found.col_value), duals=duals, cost=cost, bound=bound)
