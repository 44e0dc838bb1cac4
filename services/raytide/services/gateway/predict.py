"""When a request would have its first and its last token at one replica, if it went there now.

From the engine's iteration time (`autoscaling.performance.engine`) and the state that the replica is in, as the brain
predicts for its own sake. The steady-state model of the autoscaler knows no state, and takes milliseconds; this is
asked for every replica of every request.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

from raytide.autoscaling.performance.engine import Engine
from raytide.autoscaling.terms import Objective


@dataclass(frozen=True, slots=True)
class Standing:
    """What one replica has to do."""

    sequences: float
    """Running and waiting."""
    unfilled_tokens: float
    """Of prompts that are not computed yet."""
    kv_tokens: float


IDLE = Standing(0.0, 0.0, 0.0)


@dataclass(frozen=True, slots=True)
class Prediction:
    """Seconds from now."""

    first_token_s: float
    last_token_s: float

    def strain(self, objective: Objective, output_tokens: float) -> float:
        """The shares of both bounds that it takes, TTFT's and TPOT's, added up."""
        tpot_s = (self.last_token_s - self.first_token_s) / max(1.0, output_tokens)
        return self.first_token_s / objective.ttft_s + tpot_s / objective.tpot_s


def predicted(
    engine: Engine, standing: Standing, prompt_tokens: float, output_tokens: float, usual_output_tokens: float
) -> Prediction:
    """For a request of so many tokens, beside others whose answers have the usual length.

    Its prompt waits for those before it, chunk by chunk, and for a place in the batch: a full batch of n sequences
    frees n places in the time that one of them takes.
    """
    batch = min(standing.sequences, engine.max_num_seqs)
    beside_s = engine.iteration.seconds(batch, standing.kv_tokens, 0.0)
    tokens = standing.unfilled_tokens + prompt_tokens
    chunks = math.ceil(tokens / max(1.0, engine.chunk_tokens - batch))
    prefill_s = chunks * beside_s + engine.iteration.per_prefill_token_s * tokens
    rest_s = beside_s / 2 if standing.sequences else 0.0
    before = standing.sequences + 1 - engine.max_num_seqs
    place_s = before * usual_output_tokens * beside_s / batch if before > 0 and batch else 0.0
    first_token_s = rest_s + prefill_s + place_s
    decode_s = engine.iteration.seconds(min(batch + 1, engine.max_num_seqs), standing.kv_tokens + prompt_tokens, 0.0)
    return Prediction(first_token_s=first_token_s, last_token_s=first_token_s + output_tokens * decode_s)
