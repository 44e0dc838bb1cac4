"""The hot loop of the simulator: engines that batch continuously, one iteration after the other.

A replica decodes its whole batch in every iteration and fills the rest of the chunk with prompt tokens of the oldest
waiting requests, as vLLM's scheduler does. Per-token work is never simulated: a sequence leaves when the iteration
counter of its replica reaches the number at which it has its last token, and iterations between which nothing joins
or leaves are one step in closed form. Where the KV cache is full, the sequence that was admitted last gives its
memory back and is computed again later.

Everything is arrays, so that one compiled function advances the fleet from one decision to the next.
"""

# Entries of a structured array have no static type.
# mypy: disable-error-code="no-any-return"

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final, NamedTuple, TypeVar, cast

import numpy as np
from numba import njit
from numpy.typing import NDArray

from raytide.autoscaling.latency import FIRST_EDGE_S, GROWTH, NUM_BINS

_Function = TypeVar("_Function", bound=Callable[..., Any])


def compiled(function: _Function) -> _Function:
    """The function as machine code, made at its first call and kept beside the source."""
    return cast("_Function", njit(cache=True, error_model="numpy")(function))


FREE, STARTING, READY, DRAINING, GONE = range(5)
"""Status of a replica's slot; GONE is a drained replica whose end has not been entered yet."""
LEAST_LOADED, LEAST_TOKENS, RANDOM_TWO, ROUND_ROBIN = range(4)
NONE: Final = -1
NEVER: Final = np.inf
_NO_STEP: Final = np.iinfo(np.int64).max
_LOG_GROWTH: Final = float(np.log(GROWTH))

REQUEST: Final = np.dtype(
    [
        ("arrival_s", "f8"),
        ("first_token_s", "f8"),  # NaN until then
        ("finish_s", "f8"),  # NaN until then
        ("prompt_tokens", "i8"),
        ("output_tokens", "i8"),
        ("cached_tokens", "i8"),
        ("generated", "i8"),  # output tokens whose KV cache was given back
        ("following", "i8"),  # the next request in the same queue
    ]
)
ENGINE: Final = np.dtype(
    [
        ("base_s", "f8"),
        ("per_sequence_s", "f8"),
        ("per_root_sequence_s", "f8"),
        ("per_kv_token_s", "f8"),
        ("per_prefill_token_s", "f8"),
        ("kv_capacity_tokens", "i8"),
        ("chunk_tokens", "i8"),
        ("max_num_seqs", "i8"),
        ("weight", "f8"),  # share of the load beside a replica of another variant
    ]
)
REPLICA: Final = np.dtype(
    [
        ("status", "i8"),
        ("variant", "i8"),
        ("ready_s", "f8"),
        ("gone_s", "f8"),
        ("slowness", "f8"),  # factor on the time of every iteration
        ("begun_s", "f8"),
        ("end_s", "f8"),  # of the iterations under way; NEVER where idle
        ("span", "i8"),  # how many iterations are under way
        ("step", "i8"),  # iterations done
        ("next_finish", "i8"),  # the earliest `finish_step` of the batch
        ("running", "i8"),  # decoding sequences
        ("held_tokens", "i8"),  # KV cache in use, or reserved for prompts under way
        ("decode_tokens", "i8"),  # KV cache that a decode step reads
        ("num_fresh", "i8"),  # sequences whose prompt is complete when the iteration under way ends
        ("partial", "i8"),  # the request whose prompt is computed in part
        ("partial_left", "i8"),
        ("prefill_now", "i8"),
        ("head", "i8"),
        ("tail", "i8"),
        ("waiting", "i8"),
        ("waiting_tokens", "i8"),  # prompt tokens to be computed, of waiting and partly computed requests
        ("admitted", "i8"),  # admissions so far: the order in which sequences give way
    ]
)

# Columns of World.sums, one row for each variant.
FINISHED, ATTAINED, MISSED_TTFT, MISSED_TPOT, PROMPT, CACHED, OUTPUT, PROMPT_SQ, OUTPUT_SQ, KV_STEPS = range(10)
ITERATIONS, ITERATION_S, SEQUENCES, ROOT_SEQUENCES, KV_TOKENS, PREFILL_TOKENS = range(10, 16)
NUM_SUMS: Final = 16

# Entries of World.gateway.
NEXT, QUEUE_HEAD, QUEUE_TAIL, QUEUE_LENGTH, ROUTER, TURN, RANDOM = range(7)
NUM_GATEWAY: Final = 7


class World(NamedTuple):
    """The state of a run. What is one row for each sequence of a batch has the shape (slots, sequences)."""

    requests: NDArray[Any]
    engines: NDArray[Any]
    replicas: NDArray[Any]
    batch: NDArray[np.int64]
    """The request of each decoding sequence."""
    finish_step: NDArray[np.int64]
    """Its replica's `step` when it has its last token."""
    admission: NDArray[np.int64]
    fresh: NDArray[np.int64]
    """Requests whose prompt is complete when the iteration under way ends."""
    sums: NDArray[np.float64]
    ttft: NDArray[np.int64]
    """Histograms, shape (NUM_BINS,)."""
    tpot: NDArray[np.int64]
    bounds_s: NDArray[np.float64]
    """The bounds of TTFT and TPOT."""
    gateway: NDArray[np.int64]
    class_of: NDArray[np.int64]
    """The traffic class of each request; NONE where nobody knows it."""
    served: NDArray[np.float64]
    """The share of each class that is let in."""
    credit: NDArray[np.float64]
    """What each class has saved towards its next request that is let in."""
    shed: NDArray[np.bool_]
    """The requests that were turned away."""


@compiled
def advance(world: World, now_s: float, until_s: float) -> None:
    """Run the fleet from `now_s` until `until_s`: iterations, arrivals, and replicas that become ready."""
    requests, replicas, gateway = world.requests, world.replicas, world.gateway
    ready = np.empty(len(replicas), dtype=np.int64)
    busy = np.empty(len(replicas), dtype=np.int64)
    woken_s = now_s
    while True:
        num_ready, num_busy, next_s, coming = 0, 0, until_s, NONE
        for r in range(len(replicas)):
            status = replicas[r].status
            if status == READY:
                ready[num_ready] = r
                num_ready += 1
            if status in (READY, DRAINING):
                busy[num_busy] = r
                num_busy += 1
            if status == STARTING and replicas[r].ready_s <= next_s:
                next_s, coming = replicas[r].ready_s, r
        while gateway[QUEUE_LENGTH] > 0 and num_ready > 0:
            dispatch(world, _choose(world, ready, num_ready, woken_s), _release(world), woken_s)
        while gateway[NEXT] < len(requests) and requests[gateway[NEXT]].arrival_s < next_s:
            request = gateway[NEXT]
            gateway[NEXT] += 1
            if _turned_away(world, request):
                continue
            arrival_s = requests[request].arrival_s
            for i in range(num_busy):
                if replicas[busy[i]].end_s <= arrival_s:  # most are in the middle of an iteration
                    _run(world, busy[i], arrival_s)
            if num_ready == 0:
                _hold(world, request)
            else:
                dispatch(world, _choose(world, ready, num_ready, arrival_s), request, arrival_s)
        for i in range(num_busy):
            _run(world, busy[i], next_s)
            _interrupt(world, busy[i], next_s)
        if coming == NONE:
            return
        replicas[coming].status = READY
        woken_s = next_s


@compiled
def _turned_away(world: World, request: int) -> bool:
    """Whether the share of its class is used up: error diffusion, so every run of requests has its share to within one.

    A class that is let in whole pays one for each request, and never has less than it needs.
    """
    c = world.class_of[request]
    if c == NONE:
        return False
    world.credit[c] += world.served[c]
    if world.credit[c] >= 1.0:
        world.credit[c] -= 1.0
        return False
    world.shed[request] = True
    return True


@compiled
def outstanding(replica: Any) -> int:
    """Requests that a replica has taken and not finished."""
    partial = 1 if replica.partial != NONE else 0
    return replica.running + replica.num_fresh + replica.waiting + partial


@compiled
def _hold(world: World, request: int) -> None:
    """No replica is ready: the gateway keeps the request."""
    gateway = world.gateway
    world.requests[request].following = NONE
    if gateway[QUEUE_LENGTH] == 0:
        gateway[QUEUE_HEAD] = request
    else:
        world.requests[gateway[QUEUE_TAIL]].following = request
    gateway[QUEUE_TAIL] = request
    gateway[QUEUE_LENGTH] += 1


@compiled
def _release(world: World) -> int:
    """The oldest request that the gateway keeps."""
    request = world.gateway[QUEUE_HEAD]
    world.gateway[QUEUE_HEAD] = world.requests[request].following
    world.gateway[QUEUE_LENGTH] -= 1
    return request


@compiled
def _choose(world: World, ready: NDArray[np.int64], num_ready: int, now_s: float) -> int:
    """The replica that takes the next request."""
    gateway = world.gateway
    if gateway[ROUTER] == ROUND_ROBIN:
        gateway[TURN] += 1
        return ready[gateway[TURN] % num_ready]
    if gateway[ROUTER] == RANDOM_TWO:
        ready = np.array([ready[_random(gateway, num_ready)], ready[_random(gateway, num_ready)]])
        num_ready = 2
    best, least = ready[0], NEVER
    for i in range(num_ready):
        replica = world.replicas[ready[i]]
        engine = world.engines[replica.variant]
        load = _load(engine, replica, gateway[ROUTER], now_s) / engine.weight
        if load < least:
            best, least = ready[i], load
    return best


@compiled
def _load(engine: Any, replica: Any, router: int, now_s: float) -> int:
    if router == LEAST_TOKENS:
        under_way = replica.span > 1 and replica.end_s != NEVER
        done = _iterations_within(engine, replica, now_s - replica.begun_s) if under_way else 0
        return replica.held_tokens + replica.running * done + replica.waiting_tokens
    return outstanding(replica)


@compiled
def _random(gateway: NDArray[np.int64], below: int) -> int:
    """A number from a linear congruential generator: the same seed, the same run, on every machine."""
    gateway[RANDOM] = (gateway[RANDOM] * 1103515245 + 12345) % 2147483648
    return (gateway[RANDOM] >> 8) % below


@compiled
def dispatch(world: World, r: int, request: int, now_s: float) -> None:
    """Give a request to a replica; it joins the batch when the iteration under way ends."""
    requests, replica = world.requests, world.replicas[r]
    requests[request].following = NONE
    if replica.waiting == 0:
        replica.head = request
    else:
        requests[replica.tail].following = request
    replica.tail = request
    replica.waiting += 1
    replica.waiting_tokens += requests[request].prompt_tokens - requests[request].cached_tokens
    if replica.end_s == NEVER:
        _begin(world, r, now_s)
    else:
        _interrupt(world, r, now_s)


@compiled
def _run(world: World, r: int, until_s: float) -> None:
    """Every iteration of one replica that ends by `until_s`, save those in the middle of a closed-form step."""
    while world.replicas[r].end_s <= until_s:
        turn(world, r)


@compiled
def turn(world: World, r: int) -> None:
    """End the iterations under way, and begin the next."""
    now_s = world.replicas[r].end_s
    _end(world, r)
    _begin(world, r, now_s)


@compiled
def _begin(world: World, r: int, now_s: float) -> None:
    """Schedule what runs from `now_s` on; an empty replica becomes idle, or is gone where it was draining."""
    replica = world.replicas[r]
    engine = world.engines[replica.variant]
    while replica.held_tokens + replica.running > engine.kv_capacity_tokens and _batch(replica) > 1:
        _give_way(world, r)
    replica.prefill_now = _admit(world, r)
    n = replica.running
    if n == 0 and replica.prefill_now == 0:
        replica.end_s = NEVER
        if replica.status == DRAINING:
            replica.status = GONE
            replica.gone_s = now_s
        return
    replica.span = 1
    if replica.prefill_now == 0:  # nothing joins before the first of the batch leaves, or the memory is full
        room = (engine.kv_capacity_tokens - replica.held_tokens) // n
        replica.span = max(1, min(replica.next_finish - replica.step, room))
    replica.begun_s = now_s
    replica.end_s = now_s + _seconds(engine, replica, replica.span)


@compiled
def _seconds(engine: Any, replica: Any, count: int) -> float:
    """The time of the next `count` iterations of this batch, each of which reads one more token per sequence."""
    growing_s = engine.per_kv_token_s * replica.running * (count * (count - 1) / 2)
    return (_one_s(engine, replica) * count + growing_s) * replica.slowness


@compiled
def _one_s(engine: Any, replica: Any) -> float:
    """The time of the next iteration on a sound machine."""
    return (
        engine.base_s
        + engine.per_sequence_s * replica.running
        + engine.per_root_sequence_s * np.sqrt(replica.running)
        + engine.per_kv_token_s * replica.decode_tokens
        + engine.per_prefill_token_s * replica.prefill_now
    )


@compiled
def _iterations_within(engine: Any, replica: Any, elapsed_s: float) -> int:
    """How many of the iterations under way end within this time: the root of `_seconds`, at most all but the last."""
    slope_s = engine.per_kv_token_s * replica.running / 2
    first_s = _one_s(engine, replica) - slope_s
    sound_s = elapsed_s / replica.slowness
    if slope_s == 0:
        done = sound_s / first_s
    else:
        done = (np.sqrt(first_s**2 + 4 * slope_s * sound_s) - first_s) / (2 * slope_s)
    count = min(int(done) + 1, replica.span - 1)
    while count > 0 and _seconds(engine, replica, count) > elapsed_s:
        count -= 1
    return count


@compiled
def _interrupt(world: World, r: int, now_s: float) -> None:
    """Split a closed-form step: what is done by `now_s` is done, and only the iteration under way goes on."""
    replica = world.replicas[r]
    if replica.span <= 1 or replica.end_s == NEVER:
        return
    engine = world.engines[replica.variant]
    done = _iterations_within(engine, replica, now_s - replica.begun_s)
    if done > 0:
        begun_s = replica.begun_s + _seconds(engine, replica, done)
        _count(world, r, done, begun_s - replica.begun_s)
        replica.begun_s = begun_s
    replica.span = 1
    replica.end_s = replica.begun_s + _seconds(engine, replica, 1)


@compiled
def _count(world: World, r: int, count: int, seconds: float) -> None:
    """Enter `count` iterations of the batch as it is, which took so long: every sequence has as many tokens more."""
    replica, sums = world.replicas[r], world.sums[world.replicas[r].variant]
    n = replica.running
    sums[ITERATIONS] += count
    sums[ITERATION_S] += seconds
    sums[SEQUENCES] += n * count
    sums[ROOT_SEQUENCES] += np.sqrt(n) * count
    sums[KV_TOKENS] += replica.decode_tokens * count + n * (count * (count - 1) / 2)
    sums[PREFILL_TOKENS] += replica.prefill_now * count
    replica.step += count
    replica.held_tokens += n * count
    replica.decode_tokens += n * count


@compiled
def _end(world: World, r: int) -> None:
    """The iterations under way are done: who has the last token leaves, and whose prompt is complete joins."""
    replica = world.replicas[r]
    now_s = replica.end_s
    _count(world, r, replica.span, now_s - replica.begun_s)
    if replica.running and replica.step >= replica.next_finish:
        _leave(world, r, now_s)
    for i in range(replica.num_fresh):
        _join(world, r, world.fresh[r, i], now_s)
    replica.num_fresh = 0


@compiled
def _admit(world: World, r: int) -> int:
    """Fill the chunk with prompt tokens; returns how many."""
    requests, replica = world.requests, world.replicas[r]
    engine = world.engines[replica.variant]
    if replica.partial == NONE and replica.waiting == 0:
        return 0
    budget = engine.chunk_tokens - replica.running
    prefill = 0
    if replica.partial != NONE and budget > 0:
        prefill = min(replica.partial_left, budget)
        replica.partial_left -= prefill
        if replica.partial_left == 0:
            world.fresh[r, replica.num_fresh] = replica.partial
            replica.num_fresh += 1
            replica.partial = NONE
    while prefill < budget and replica.waiting > 0 and replica.partial == NONE:
        request = replica.head
        context = requests[request].prompt_tokens + requests[request].generated
        if not _fits(world, r, context):
            break
        replica.head = requests[request].following
        replica.waiting -= 1
        replica.held_tokens += context
        left = max(context - requests[request].cached_tokens, 1)
        take = min(left, budget - prefill)
        prefill += take
        if take == left:
            world.fresh[r, replica.num_fresh] = request
            replica.num_fresh += 1
        else:
            replica.partial = request
            replica.partial_left = left - take
    replica.waiting_tokens = max(replica.waiting_tokens - prefill, 0)
    return prefill


@compiled
def _fits(world: World, r: int, context: int) -> bool:
    """Whether a sequence may join: a place in the batch, and memory beside one more token for every other one.

    The whole prompt must fit, not only its first chunk, as vLLM decides with `scheduler_reserve_full_isl`, its default.
    """
    replica = world.replicas[r]
    engine = world.engines[replica.variant]
    num = replica.running + replica.num_fresh
    if num >= engine.max_num_seqs:
        return False
    return num == 0 or replica.held_tokens + context + replica.running <= engine.kv_capacity_tokens


@compiled
def _batch(replica: Any) -> int:
    """Sequences that hold memory between two iterations."""
    return replica.running + (1 if replica.partial != NONE else 0)


@compiled
def _give_way(world: World, r: int) -> None:
    """The sequence that was admitted last leaves the batch and waits at the head of the queue.

    A prompt that is computed in part was admitted after all others; what was computed of it is lost.
    """
    requests, replica = world.requests, world.replicas[r]
    if replica.partial != NONE:
        request = replica.partial
        context = requests[request].prompt_tokens + requests[request].generated
        requests[request].cached_tokens = 0
        replica.held_tokens -= context
        replica.waiting_tokens += context - replica.partial_left
        replica.partial, replica.partial_left = NONE, 0
        _wait_first(world, r, request)
        return
    last = 0
    for i in range(1, replica.running):
        if world.admission[r, i] > world.admission[r, last]:
            last = i
    request = world.batch[r, last]
    generated = requests[request].output_tokens - (world.finish_step[r, last] - replica.step)
    requests[request].generated = generated
    requests[request].cached_tokens = 0
    _remove(world, r, last, requests[request].prompt_tokens + generated - 1)
    replica.waiting_tokens += requests[request].prompt_tokens + generated
    _wait_first(world, r, request)


@compiled
def _wait_first(world: World, r: int, request: int) -> None:
    """Put a request at the head of the queue."""
    replica = world.replicas[r]
    world.requests[request].following = replica.head if replica.waiting else NONE
    if replica.waiting == 0:
        replica.tail = request
    replica.head = request
    replica.waiting += 1


@compiled
def _remove(world: World, r: int, i: int, context: int) -> None:
    """Take a sequence out of the batch, with the memory of its context."""
    replica = world.replicas[r]
    replica.held_tokens -= context
    replica.decode_tokens -= context
    last = replica.running - 1
    world.batch[r, i] = world.batch[r, last]
    world.finish_step[r, i] = world.finish_step[r, last]
    world.admission[r, i] = world.admission[r, last]
    replica.running = last


@compiled
def _leave(world: World, r: int, now_s: float) -> None:
    """The sequences whose last token this was."""
    requests, replica = world.requests, world.replicas[r]
    i, earliest = 0, _NO_STEP
    while i < replica.running:
        if world.finish_step[r, i] <= replica.step:
            request = world.batch[r, i]
            _remove(world, r, i, requests[request].prompt_tokens + requests[request].output_tokens - 1)
            _finish(world, replica.variant, request, now_s)
        else:
            earliest = min(earliest, world.finish_step[r, i])
            i += 1
    replica.next_finish = earliest


@compiled
def _join(world: World, r: int, request: int, now_s: float) -> None:
    """A prompt is complete: the iteration has produced its next token, and it decodes from now on."""
    entry, replica = world.requests[request], world.replicas[r]
    context = entry.prompt_tokens + entry.generated
    if np.isnan(entry.first_token_s):
        entry.first_token_s = now_s
        world.ttft[_bin(now_s - entry.arrival_s)] += 1
    left = entry.output_tokens - entry.generated - 1
    if left <= 0:
        replica.held_tokens -= context
        _finish(world, replica.variant, request, now_s)
        return
    n = replica.running
    world.batch[r, n] = request
    world.finish_step[r, n] = replica.step + left
    world.admission[r, n] = replica.admitted
    replica.admitted += 1
    replica.running = n + 1
    replica.decode_tokens += context
    if n == 0 or world.finish_step[r, n] < replica.next_finish:
        replica.next_finish = world.finish_step[r, n]


@compiled
def _finish(world: World, variant: int, request: int, now_s: float) -> None:
    """Enter a request's last token."""
    entry, sums = world.requests[request], world.sums[variant]
    entry.finish_s = now_s
    prompt, output = float(entry.prompt_tokens), float(entry.output_tokens)
    ttft_s, tpot_s = entry.first_token_s - entry.arrival_s, 0.0
    if output > 1:
        tpot_s = (now_s - entry.first_token_s) / (output - 1.0)
        world.tpot[_bin(tpot_s)] += 1
    sums[FINISHED] += 1.0
    sums[MISSED_TTFT] += ttft_s > world.bounds_s[0]
    sums[MISSED_TPOT] += tpot_s > world.bounds_s[1]
    sums[ATTAINED] += ttft_s <= world.bounds_s[0] and tpot_s <= world.bounds_s[1]
    sums[PROMPT] += prompt
    sums[CACHED] += entry.cached_tokens
    sums[OUTPUT] += output
    sums[PROMPT_SQ] += prompt * prompt
    sums[OUTPUT_SQ] += output * output
    sums[KV_STEPS] += output * (prompt + output / 2.0)


@compiled
def _bin(seconds: float) -> int:
    if seconds <= FIRST_EDGE_S:
        return 0
    return min(int(np.log(seconds / FIRST_EDGE_S) / _LOG_GROWTH), NUM_BINS - 1)
