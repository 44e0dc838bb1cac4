"""Serve's log of a replica, kept open while an engine sets up Python's logging for itself."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from logging.handlers import MemoryHandler
from typing import Final

_SERVE: Final = "ray.serve"


@contextmanager
def serve_log_kept() -> Iterator[None]:
    """At its end Serve's handlers write again where they wrote before.

    vLLM calls `logging.config.dictConfig` when it is imported, which closes every handler of the process, and a
    `MemoryHandler` that was closed has lost its target. Serve loses more than the log by that: a controller that has
    been restarted asks each replica for the name of its log file, and stops those that fail to say it (ray 2.60,
    `get_component_logger_file_path`), which is every replica of vLLM.
    """
    handlers = [each for each in logging.getLogger(_SERVE).handlers if isinstance(each, MemoryHandler)]
    targets = [handler.target for handler in handlers]
    try:
        yield
    finally:
        for handler, target in zip(handlers, targets, strict=True):
            handler.setTarget(target)
