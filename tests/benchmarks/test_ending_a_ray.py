"""What a benchmark's own Ray started ends with it, though it ignores what it is asked."""

from __future__ import annotations

import importlib.util
import subprocess
import sys
from pathlib import Path

import psutil

ROOT = Path(__file__).parents[2]
STUBBORN = """
import signal, subprocess, sys
signal.signal(signal.SIGTERM, signal.SIG_IGN)
child = subprocess.Popen(["sleep", "600"], start_new_session=True)
print(child.pid, flush=True)
child.wait()
"""


def test_all_below_a_head_ends_with_it() -> None:
    spec = importlib.util.spec_from_file_location("own_ray", ROOT / "benchmarks" / "own_ray.py")
    assert spec
    assert spec.loader
    own_ray = importlib.util.module_from_spec(spec)
    sys.modules["own_ray"] = own_ray
    spec.loader.exec_module(own_ray)
    with subprocess.Popen([sys.executable, "-c", STUBBORN], stdout=subprocess.PIPE, text=True) as head:
        assert head.stdout
        child = int(head.stdout.readline())
        own_ray.end(head.pid)
        assert head.poll() is not None
    assert not psutil.pid_exists(child) or psutil.Process(child).status() == psutil.STATUS_ZOMBIE
