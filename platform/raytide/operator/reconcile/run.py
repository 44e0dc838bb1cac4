"""The operator as a process: threads for watches and the lease, the loop between them, and its end."""

from __future__ import annotations

import os
import socket
import time
import uuid
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from random import Random
from threading import Event, Thread
from typing import Final

from raytide.core.errors import ClusterUnreachable, RaytideError, RunFailed
from raytide.manifests.kinds import Identity, kind_of
from raytide.operator.reconcile.api import Conflict, KubernetesApi, Refused, Unavailable
from raytide.operator.reconcile.desired import Desired
from raytide.operator.reconcile.follow import follow
from raytide.operator.reconcile.leadership import Leadership
from raytide.operator.reconcile.lease import DEADLINE_S, RETRY_S
from raytide.operator.reconcile.loop import Loop, Source
from raytide.operator.reconcile.plan import plan
from raytide.operator.reconcile.pools import Pools
from raytide.operator.reconcile.sizes import DECLARED, Floors
from raytide.operator.reconcile.status import place
from raytide.operator.reconcile.step import Object, Step, Verb, identity_of
from raytide.operator.reconcile.turn import Turn, live

POLL_S: Final = 2.0
"""Between two looks at the files."""

Say = Callable[[str], None]


def dry_run(
    desired: Desired, api: KubernetesApi, floors: Floors | None = DECLARED
) -> tuple[tuple[Step, ...], Mapping[Identity, Object]]:
    """The steps of a first turn, and the live objects that they were planned from; nothing is sent.

    Raises:
        ClusterUnreachable: the API server does not answer.
        RaytideError: it does not let us look.
    """
    try:
        found = live(desired.objects, api)
    except Unavailable as error:
        raise ClusterUnreachable(f"the Kubernetes API server gives no answer: {error}") from error
    except Refused as error:
        raise RaytideError(f"the Kubernetes API server refuses to say what is there: {error}") from error
    return plan(desired.objects, found, desired.platform, floors), {identity_of(one): one for one in found}


def once(
    source: Source, desired: Desired, api: KubernetesApi, say: Say, timeout_s: float, pools: Pools | None = None
) -> None:
    """Turns until the cluster holds what is declared; `desired` is what the source said first.

    Raises:
        RunFailed: it does not hold it in time, or a step is refused; the sentence says which and why.
        ClusterUnreachable: the API server does not answer.
    """
    _require_namespace(desired, api)
    leadership = _leadership(desired, api)
    leadership.tick()
    if not leadership.holds():
        raise RunFailed(f"another operator has the lease, or it cannot be had: {leadership.problem or 'lost a race'}")
    with _leading(leadership, desired, api, lambda _: None, Event(), Event()):
        _settle(_loop(source, desired, api, leadership, say, pools), time.monotonic() + timeout_s)


def _settle(loop: Loop, deadline_s: float) -> None:
    last = loop.step(time.monotonic(), is_woken=False)
    while not _is_over(last) and time.monotonic() < deadline_s:
        time.sleep(min(loop.wait_s(time.monotonic()), 1.0))
        last = loop.step(time.monotonic(), is_woken=False) or last
    if last is None or not last.is_settled or last.left_to_somebody:
        raise RunFailed(_why_not(last))


def _is_over(last: Turn | None) -> bool:
    return last is not None and (last.is_settled or bool(last.refusals))


def _why_not(last: Turn | None) -> str:
    if last is None:
        return "another operator has taken the lease over"
    if last.refusals:
        return "\n".join(f"{place(one.step)} was refused: {one.reason}" for one in last.refusals)
    if last.left_to_somebody:
        return "\n".join(f"{place(step)}: {step.reason}" for step in last.left_to_somebody)
    return f"the cluster does not hold what is declared: {last.why or 'not in time'}"


def forever(
    source: Source, desired: Desired, api: KubernetesApi, say: Say, stop: Event, pools: Pools | None = None
) -> None:
    """Keep the cluster as declared until `stop`; while another operator leads, wait for its lease.

    `desired` is what the source said first; files that cannot be followed later are a condition of its status.
    """
    leadership = _leadership(desired, api)
    wake, random = Event(), Random()  # noqa: S311 (the jitter of waits)
    loop = _loop(source, desired, api, leadership, say, pools)
    follow(api, wake, stop, random)
    with _leading(leadership, desired, api, say, wake, stop):
        while not stop.is_set():
            loop.step(time.monotonic(), is_woken=_taken(wake))
            wake.wait(min(loop.wait_s(time.monotonic()) or POLL_S, POLL_S))


def _taken(wake: Event) -> bool:
    """Whether it was set, which the turn from here on sees; what sets it between the two is for the next one."""
    if not wake.is_set():
        return False
    wake.clear()
    return True


@contextmanager
def _leading(
    leadership: Leadership, desired: Desired, api: KubernetesApi, say: Say, wake: Event, stop: Event
) -> Iterator[None]:
    """Takes and renews the lease on a thread, however long a turn lasts, and gives it back in the end."""
    lead = Thread(target=_lead, args=(leadership, desired, api, say, wake, stop), name="lease", daemon=True)
    lead.start()
    try:
        yield
    finally:
        stop.set()
        lead.join(DEADLINE_S)  # it would take back what is given back
        leadership.give_back()


def _lead(leadership: Leadership, desired: Desired, api: KubernetesApi, say: Say, wake: Event, stop: Event) -> None:
    held, problem = False, ""
    while not stop.is_set():
        if not leadership.holds():
            _try_namespace(desired, api)
        leadership.tick()
        if (leadership.holds(), leadership.problem) != (held, problem):
            held, problem = leadership.holds(), leadership.problem
            say("leads" if held else f"does not lead: {problem or 'the lease was lost'}")
            wake.set()
        stop.wait(RETRY_S)


def _leadership(desired: Desired, api: KubernetesApi) -> Leadership:
    me = f"{socket.gethostname()}-{os.getpid()}-{uuid.uuid4().hex[:6]}"
    return Leadership(api, me, desired.platform, desired.namespace, time.monotonic)


def _loop(
    source: Source, desired: Desired, api: KubernetesApi, leadership: Leadership, say: Say, pools: Pools | None
) -> Loop:
    random = Random()  # noqa: S311 (the jitter of waits)
    may_send = leadership.holds
    return Loop(api=api, source=source, desired=desired, may_send=may_send, say=say, random=random, pools=pools)


def _try_namespace(desired: Desired, api: KubernetesApi) -> None:
    try:
        _require_namespace(desired, api)
    except RaytideError:  # the lease says so as well
        return


def _require_namespace(desired: Desired, api: KubernetesApi) -> None:
    """Make the namespace where there is none: the lease is in it, and to make it twice does no harm."""
    (namespace,) = (one for one in desired.objects if one["kind"] == "Namespace")
    try:
        if api.find(kind_of(namespace), namespace["metadata"]["name"]) is None:
            api.send(Step(verb=Verb.CREATE, identity=identity_of(namespace), body=namespace))
    except Conflict:  # somebody else made it
        return
    except Unavailable as error:
        raise ClusterUnreachable(f"the Kubernetes API server gives no answer: {error}") from error
    except Refused as error:
        raise RunFailed(f"{desired.namespace} is no namespace that may be used: {error}") from error
