"""`url`: an empty database of each kind; PostgreSQL is started for the session where its programs are found."""

from __future__ import annotations

import importlib.util
import os
import pwd
import shutil
import socket
import subprocess
import tempfile
import time
import uuid
from collections.abc import Iterator
from pathlib import Path

import pytest

_PROGRAMS = ("postgres", "initdb", "psql")


@pytest.fixture(scope="session")
def postgres() -> Iterator[str]:
    """The URL of a server of our own, without the name of a database."""
    missing = [program for program in _PROGRAMS if shutil.which(program) is None]
    if missing:
        pytest.skip(f"PostgreSQL is not tested: {', '.join(missing)} not found")
    if importlib.util.find_spec("psycopg") is None:
        pytest.skip("PostgreSQL is not tested: psycopg is not installed")
    # A socket's path has at most 107 characters, which pytest's own folders exceed.
    folder = Path(tempfile.mkdtemp(prefix="rtpg"))
    server = None
    try:
        server = _started(folder)
        yield f"postgresql://{_user()}@127.0.0.1:{_port(folder)}"
    finally:
        if server is not None:
            server.terminate()
            server.wait(timeout=30)
        shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture(params=["sqlite", "postgres"])
def url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    if request.param == "sqlite":
        return f"sqlite:///{tmp_path / 'ledger.db'}"
    server: str = request.getfixturevalue("postgres")
    name = f"ledger_{uuid.uuid4().hex}"
    subprocess.run(["psql", "-q", f"{server}/postgres", "-c", f"CREATE DATABASE {name}"], check=True, timeout=30)
    return f"{server}/{name}"


def _started(folder: Path) -> subprocess.Popen[bytes]:
    data = folder / "data"
    _owned(folder)
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    (folder / "port").write_text(str(port))
    made = ["initdb", "-D", str(data), "-A", "trust", "-U", _user(), "--no-sync"]
    subprocess.run(made, user=_user(), check=True, capture_output=True, timeout=120)
    serve = ["postgres", "-D", str(data), "-p", str(port), "-k", str(folder), "-c", "listen_addresses=127.0.0.1"]
    log = (folder / "log").open("wb")
    server = subprocess.Popen([*serve, "-c", "fsync=off"], user=_user(), stdout=log, stderr=log)
    for _ in range(300):
        asked = subprocess.run(["psql", f"{_url(port)}/postgres", "-c", "select 1"], capture_output=True, check=False)
        if asked.returncode == 0:
            return server
        time.sleep(0.05)
    server.kill()
    raise AssertionError((folder / "log").read_text())


def _user() -> str:
    """PostgreSQL refuses to run as root."""
    return "nobody" if os.geteuid() == 0 else pwd.getpwuid(os.geteuid()).pw_name


def _owned(folder: Path) -> None:
    if os.geteuid() == 0:
        shutil.chown(folder, _user())


def _url(port: int) -> str:
    return f"postgresql://{_user()}@127.0.0.1:{port}"


def _port(folder: Path) -> int:
    return int((folder / "port").read_text())
