"""The steps from what a Kubernetes cluster holds to what is desired.

They may be cut off between any two, and planned anew from what is then live: what was done is not done again. A
RayCluster is never replaced and never deleted, work that runs is never deleted, and what is not ours is never touched.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Final

from raytide.manifests.kinds import Identity
from raytide.operator.reconcile.lifetime import fixed_fields, is_deleted, is_named_for_its_content, never_deleted, runs
from raytide.operator.reconcile.ownership import claimed, holds, is_ours
from raytide.operator.reconcile.sizes import DECLARED, Floors, leaving_groups, with_live_sizes
from raytide.operator.reconcile.step import Object, Step, Verb, identity_of

_DELETED_LAST: Final = ("ConfigMap", "ServiceAccount", "Role", "RoleBinding")
"""What others may still mount or use."""


def plan(
    desired: Sequence[Object], live: Sequence[Object], platform: str, floors: Floors | None = DECLARED
) -> tuple[Step, ...]:
    """The steps in order: what is desired as it was rendered, accounts before pods; then what is to go.

    Args:
        desired: The objects of the platform.
        live: At least those that it has, and those that carry its labels.
        platform: Its name.
        floors: Nodes that worker groups keep; None leaves them as they are.
    """
    found = {identity_of(one): one for one in live}
    wanted = {identity_of(one): one for one in desired}
    steps = [step for one in desired for step in _towards(one, found.get(identity_of(one)), platform, floors)]
    going = [one for identity, one in found.items() if identity not in wanted and is_ours(one, platform)]
    going.sort(key=lambda one: (one["kind"] in _DELETED_LAST, identity_of(one)))
    return (*steps, *_departures(going))


def _towards(desired: Object, live: Object | None, platform: str, floors: Floors | None) -> Iterator[Step]:
    identity = identity_of(desired)
    if live is None:
        yield Step(verb=Verb.CREATE, identity=identity, body=desired)
    elif not is_ours(live, platform):
        yield _refused(live, "it is somebody else's: its labels do not say that raytide manages it for this platform")
    elif fixed := fixed_fields(desired, live):
        yield _refused(live, f"{' and '.join(fixed)} cannot be changed on an object that is there")
    else:
        yield from _change(desired, live, floors)


def _change(desired: Object, live: Object, floors: Floors | None) -> Iterator[Step]:
    body = with_live_sizes(desired, live, floors) if desired["kind"] == "RayCluster" else desired
    if not holds(live, body):
        if is_named_for_its_content(desired):
            yield _refused(live, "its name says its content, and somebody changed it: delete it to have it made anew")
            return
        yield replace(_step(Verb.APPLY, live, body=body), owners=claimed(live))
    if desired["kind"] == "RayCluster":
        for name in leaving_groups(desired, live):
            yield _step(Verb.KEEP, live, reason=f"worker group {name} goes once nothing runs on it")


def _departures(going: Sequence[Object]) -> Iterator[Step]:
    """Deletions, of a service's configuration only once its Job has ended."""
    running = {_place(one) for one in going if runs(one)}
    for one in going:
        if why := never_deleted(str(one["kind"])):
            yield _step(Verb.KEEP, one, reason=f"not declared any more, and kept: {why}")
        elif runs(one) or (one["kind"] == "ConfigMap" and _place(one) in running):
            yield _step(Verb.KEEP, one, reason="it goes once it has ended")
        elif is_deleted(str(one["kind"])):
            yield _step(Verb.DELETE, one, body={"propagationPolicy": _propagation(str(one["kind"]))})


def _propagation(kind: str) -> str:
    # The clock of a job goes, and what it has submitted runs to its end.
    return "Orphan" if kind == "RayCronJob" else "Background"


def _place(one: Object) -> tuple[str, str]:
    _, _, namespace, name = identity_of(one)
    return namespace, name


def _refused(live: Object, reason: str) -> Step:
    return _step(Verb.REFUSE, live, reason=reason)


def _step(verb: Verb, live: Object, body: Object | None = None, reason: str | None = None) -> Step:
    metadata: Mapping[str, str] = live["metadata"]
    identity: Identity = identity_of(live)
    return Step(
        verb=verb,
        identity=identity,
        body=body,
        uid=metadata.get("uid"),
        resource_version=metadata.get("resourceVersion"),
        reason=reason,
    )
