from __future__ import annotations

import logging
import logging.config
from collections.abc import Iterator
from logging.handlers import MemoryHandler
from pathlib import Path

import pytest
import ray
from ray.serve._private.logging_utils import get_component_logger_file_path

from raytide.services.engines.serve_log import serve_log_kept


@pytest.fixture
def log(tmp_path: Path) -> Iterator[Path]:
    """Serve's log of a replica, as Serve sets it up."""
    file, logger = tmp_path / "replica.log", logging.getLogger("ray.serve")
    handler = MemoryHandler(1, target=logging.FileHandler(file))
    logger.addHandler(handler)
    yield file
    logger.removeHandler(handler)
    handler.close()


def test_an_engine_that_configures_logging_takes_no_log_from_serve(log: Path) -> None:
    with serve_log_kept():
        logging.config.dictConfig({"version": 1, "disable_existing_loggers": False})
    logging.getLogger("ray.serve").error("after it")
    assert log.read_text() == "after it\n"


def test_a_new_controller_is_told_where_the_log_is(log: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    node = type("Node", (), {"get_logs_dir_path": lambda _: str(log.parent)})()
    monkeypatch.setattr(ray._private.worker, "_global_node", node)
    with serve_log_kept():
        logging.config.dictConfig({"version": 1, "disable_existing_loggers": False})
    assert get_component_logger_file_path() == "/replica.log"
