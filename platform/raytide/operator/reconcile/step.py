"""One request to Kubernetes, or the reason for making none."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from raytide.manifests.kinds import Identity

Object = Mapping[str, Any]


class Verb(StrEnum):
    """What is done."""

    CREATE = "create"
    APPLY = "apply"
    """Server-side, as the field manager `raytide`: what others set besides stays."""
    DELETE = "delete"
    KEEP = "keep"
    """Nothing yet: a later plan may do more."""
    REFUSE = "refuse"
    """Nothing, ever: somebody has to decide."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """One of them, for one object."""

    verb: Verb
    identity: Identity
    body: Object | None = None
    """What is sent; of a deletion how what the object has made is dealt with."""
    uid: str | None = None
    """Of the object that is meant: another one of that name, made since, is not touched."""
    resource_version: str | None = None
    """Of the object that the step was planned for: where it has changed since, the API server refuses the step."""
    reason: str | None = None
    owners: tuple[Object, ...] | None = None
    """Managed fields that are written before it is applied; None where they are right as they are."""

    @property
    def is_sent(self) -> bool:
        """Whether it is a request at all."""
        return self.verb in (Verb.CREATE, Verb.APPLY, Verb.DELETE)


def identity_of(one: Object) -> Identity:
    """What the API server tells objects apart by."""
    metadata, group = one["metadata"], str(one["apiVersion"]).rpartition("/")[0]
    return group, str(one["kind"]), str(metadata.get("namespace", "")), str(metadata["name"])
