"""How long a request that arrives now waits for its first token, from how its replica stood a moment ago."""

from __future__ import annotations

import math

from raytide.autoscaling.live.routes import Upstream


def wait_s(upstream: Upstream, output_tokens: float) -> float:
    """Until its own prompt begins: the prompts before it in the chunk, or a place in the batch, whichever comes later.

    `output_tokens` is the length of a typical answer. A batch of n such sequences frees n places in the time of one.
    """
    engine = upstream.engine
    iteration_s = engine.iteration.seconds(upstream.running, upstream.kv_tokens, 0.0)
    chunks = math.ceil(upstream.waiting_prompt_tokens / max(1, engine.chunk_tokens - upstream.running))
    prompts_s = chunks * iteration_s + engine.iteration.per_prefill_token_s * upstream.waiting_prompt_tokens
    before = upstream.running + upstream.waiting + 1 - engine.max_num_seqs
    place_s = max(0, before) * output_tokens * iteration_s / max(1, upstream.running)
    return max(prompts_s, place_s)
