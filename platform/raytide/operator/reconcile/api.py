"""What the reconciler asks of an API server, and the ways in which one says no.

    Refused        this request, however often it is sent: no such kind, no such right, no such field
    Conflict       this request by now: the object is another one than it was planned for
    Unavailable    any request at present: busy, restarting, out of reach
    Gone           a watch from so long ago: list anew

What an adapter meets beside these is a programmer's mistake.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Protocol

from raytide.manifests.kinds import Kind
from raytide.operator.reconcile.step import Object, Step


class Refused(Exception):
    """Sending it again changes nothing; the message is the server's."""


class Conflict(Exception):
    """The object was made, changed or deleted meanwhile; a new plan knows."""


class Gone(Exception):
    """The server has no record of the changes since then."""


class Unavailable(Exception):
    """No answer, or none yet; later there may be one."""

    def __init__(self, reason: str, retry_after_s: float | None = None) -> None:
        super().__init__(reason)
        self.retry_after_s = retry_after_s
        """How long the server asks to be left alone; None where it does not say."""


@dataclass(frozen=True, slots=True)
class Listing:
    """Objects of one kind, and the version from which a watch goes on."""

    objects: tuple[Object, ...]
    version: str


@dataclass(frozen=True, slots=True)
class Change:
    """One event of a watch."""

    event: str
    """`ADDED`, `MODIFIED`, `DELETED`, or `BOOKMARK`, which only says how far the watch has come."""
    one: Object

    @property
    def version(self) -> str:
        """From which a watch goes on after it."""
        return str(self.one["metadata"]["resourceVersion"])


class KubernetesApi(Protocol):
    """One namespace of a cluster. Each method raises what this module lists."""

    def listing(self, kind: Kind) -> Listing:
        """The objects of a kind that carry the platform's labels; none where the cluster knows no such kind."""

    def find(self, kind: Kind, name: str) -> Object | None:
        """One object, whosever it is; None where there is none."""

    def send(self, step: Step) -> None:
        """Do what a step asks for, as the field manager `raytide`."""

    def replace(self, one: Object) -> None:
        """Write an object of the operator's own, at the version that it carries."""

    def changes(self, kind: Kind, since: str) -> Iterator[Change]:
        """Changes to what `listing` lists, as they happen; ends where the server ends it."""
