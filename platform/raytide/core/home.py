"""Where raytide keeps its artefacts: `$RAYTIDE_HOME`, else `.raytide` under the current directory."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from raytide.core.errors import RaytideError


def home() -> Path:
    """The storage folder, absolute; it need not exist yet."""
    return Path(os.environ.get("RAYTIDE_HOME") or ".raytide").expanduser().absolute()


def below_home(folder: str) -> Path:
    """`folder` as it is where it is absolute, else below the storage folder."""
    return home() / Path(folder).expanduser()


@contextmanager
def stored() -> Iterator[None]:
    """Around what reads or writes there: an error of the disk is one sentence.

    Raises:
        RaytideError: in the place of an OSError.
    """
    try:
        yield
    except OSError as error:
        where, why = error.filename or home(), error.strerror or error
        raise RaytideError(f"{where}: {why}; set RAYTIDE_HOME to a folder that can be read and written") from error
