"""Every error that a user can cause, as one tree.

    RaytideError                 exit 1: something failed and the sentence says what to do
    ├── SpecError                exit 2: one or more located findings in a YAML file
    ├── ClusterUnreachable       exit 3: no Ray answers at the address
    │   └── ClusterRefused       exit 3: Ray answers, and wants a token
    ├── GateFailed               exit 4: an evaluation ran, and the model is not good enough
    └── RunFailed                exit 5: a job or a deployment started and did not succeed

Errors of one room's own files and options (a trace, a catalog, a journal, an unknown policy, an objective that cannot
be met) are declared beside what raises them, with their exit code.

A message is one clear sentence with the next step in it. Foreign exceptions are converted at the edge that
met them and kept as `__cause__`; only a programmer's mistake may end in a traceback.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar


class RaytideError(Exception):
    """A failure with a cause and a next step; `exit_code` is what the command line returns for it."""

    exit_code: ClassVar[int] = 1


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """One mistake in a YAML file: where it is, what stands there, what should, and the nearest valid word."""

    file: str
    line: int
    """1-based; 0 where `file` as a whole is meant: it is missing or empty, or it is a `--set` argument."""
    column: int
    """1-based."""
    path: str
    """The dotted key, as `spec.objectives.ttft.p95`."""
    problem: str
    got: str | None = None
    expected: str | None = None
    did_you_mean: str | None = None

    def __str__(self) -> str:
        """`file:line:column: path: problem; found …, expected …; did you mean …?`, parts left out where unknown."""
        where = f"{self.file}:{self.line}:{self.column}" if self.line else self.file
        facts = [f"found {self.got}" if self.got else "", f"expected {self.expected}" if self.expected else ""]
        tail = ", ".join(fact for fact in facts if fact)
        hint = f"did you mean {self.did_you_mean!r}?" if self.did_you_mean else ""
        says = "; ".join(part for part in (self.problem, tail, hint) if part)
        path = self.path if self.path.isprintable() else ascii(self.path)  # one line, whatever the key holds
        return f"{where}: {path + ': ' if path else ''}{says}"


class SpecError(RaytideError):
    """A file that does not describe what it should; carries every finding, in file order."""

    exit_code = 2

    def __init__(self, findings: tuple[Finding, ...]) -> None:
        super().__init__("\n".join(map(str, findings)))
        self.findings = findings


class ClusterUnreachable(RaytideError):
    """No Ray dashboard answers at the address."""

    exit_code = 3


class ClusterRefused(ClusterUnreachable):
    """Ray answers and refuses: it wants a token that was not given, or another one."""


class GateFailed(RaytideError):
    """An evaluation finished and its gate says no."""

    exit_code = 4


class RunFailed(RaytideError):
    """A job or a deployment was started and did not succeed."""

    exit_code = 5
