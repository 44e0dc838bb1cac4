"""The coefficients of an iteration as one vector, for the linear algebra of fitting.

The order is base, n, √n, K, p everywhere: per iteration, per sequence, per root of sequences, per KV token, per prompt
token.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from raytide.autoscaling.performance.engine import Iteration


def as_iteration(coefficients: NDArray[np.float64]) -> Iteration:
    """The iteration with these coefficients, shape (5,), in seconds."""
    base_s, per_sequence_s, per_root_s, per_kv_s, per_prefill_s = (float(value) for value in coefficients)
    return Iteration(
        base_s=base_s,
        per_sequence_s=per_sequence_s,
        per_root_sequence_s=per_root_s,
        per_kv_token_s=per_kv_s,
        per_prefill_token_s=per_prefill_s,
    )


def coefficients_of(iteration: Iteration) -> NDArray[np.float64]:
    """The inverse of `as_iteration`."""
    return np.array(
        [
            iteration.base_s,
            iteration.per_sequence_s,
            iteration.per_root_sequence_s,
            iteration.per_kv_token_s,
            iteration.per_prefill_token_s,
        ]
    )


def nonnegative(rows: NDArray[np.float64], target: NDArray[np.float64]) -> NDArray[np.float64]:
    """The non-negative least-squares solution, shape (columns,); columns are brought to one length first."""
    from scipy.optimize import nnls

    lengths = np.linalg.norm(rows, axis=0)
    lengths[lengths == 0] = 1.0
    solution: NDArray[np.float64] = nnls(rows / lengths, target)[0] / lengths
    return solution
