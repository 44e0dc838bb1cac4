"""Command lines without what may be secret in them.

A job's command is shown to whoever may see what jobs cost, and is kept for as long as a bill. Its arguments may hold a
token (`--set env.TOKEN=…`, `curl -H …`), and no list of secrets' names is complete; so only what names a program stays.
"""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator
from typing import Final

_LEFT_OUT: Final = "…"
_ASSIGNS: Final = re.compile(r"[A-Za-z_]\w*=")
_PROGRAM: Final = re.compile(r"[\w./+-]+")
_MODULE: Final = re.compile(r"[A-Za-z_][\w.]*")
_FILE: Final = re.compile(r"[\w./-]+\.(?:py|sh|ya?ml|json|toml)")
_THEN: Final = frozenset({"&&", "||", "|", ";"})


def program_of(command: str) -> str:
    """The programs, modules and files that a shell's command names, in its order, with `…` for all between them."""
    said: list[str] = []
    for word in _named(_words(command)):
        if word != _LEFT_OUT or said[-1:] != [_LEFT_OUT]:
            said.append(word)
    return " ".join(said)


def _words(command: str) -> list[str]:
    try:
        return shlex.split(command)
    except ValueError:  # a quote that does not end: what stands behind it is no file of anybody's
        return command.split()


def _named(words: list[str]) -> Iterator[str]:
    """Each word that names something, and `…` for each other one."""
    is_program, is_module = True, False
    for word in words:
        if is_program and _ASSIGNS.match(word):
            yield _LEFT_OUT
            continue
        shape = _PROGRAM if is_program else _MODULE if is_module else _FILE
        is_module = not is_program and word == "-m"
        is_program = word in _THEN
        yield word if is_module or shape.fullmatch(word) else _LEFT_OUT
