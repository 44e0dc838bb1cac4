"""Text to YAML nodes, and the parser's complaints as sentences that say what to do."""

from __future__ import annotations

from typing import Any, Final

from ruamel.yaml import YAML
from ruamel.yaml.error import MarkedYAMLError, YAMLError
from ruamel.yaml.nodes import Node, ScalarNode
from ruamel.yaml.reader import ReaderError

from raytide.core.errors import SpecError
from raytide.core.spec.mark import Mark

# The first fragment that the parser's own words contain decides; the words are those of ruamel.yaml 0.18 and 0.19.
_SENTENCES: Final = (
    ("but found another document", "a second document starts here; write one document per file"),
    ("found character '\\t'", "a tab starts this line; indent with spaces"),
    ("found unexpected end of stream", "the quote that opens here is never closed"),
    ("but got '<stream end>'", "the bracket that opens here is never closed"),
    ("mapping values are not allowed here", "a colon cannot stand here; check the indentation, or quote the text"),
    ("expected <block end>", "this does not line up with what is above it; check the indentation"),
    ("could not find expected ':'", "a key without a colon; write key: value"),
    ("cannot start any token", "a plain text cannot start with this character; put it in quotes"),
    ("but found '<stream end>'", "the text ends inside a bracket that is never closed"),
    ("expected ',' or", "a comma or a closing bracket is missing before this"),
    ("expected the node content", "a value is missing before this"),
    ("expected '<document start>'", "the document ends before this; check the indentation"),
    ("undefined alias", "this alias names no anchor above it"),
)  # fmt: skip


def compose(text: str, file: str) -> Node | None:
    """The root node of the one document in `text`; None where it is empty.

    Raises:
        SpecError: The text is not YAML, or more than one document.
    """
    try:
        root: Node | None = _loader().compose(text)
        return root
    except ReaderError as error:
        before = text[: error.position].split("\n")
        mark = Mark(file, len(before), len(before[-1]) + 1)
        problem = "a control character that YAML does not allow; remove it"
    except MarkedYAMLError as error:
        mark, problem = _where(error, file), _sentence(str(error.problem))
    except YAMLError as error:
        mark, problem = Mark(file), _sentence(str(error))
    except RecursionError:
        mark, problem = Mark(file), "nested too deeply"
    raise SpecError((mark.finding(problem),))


def plain_scalar(node: ScalarNode) -> Any:
    """The text, number, truth or nothing that a scalar means.

    Raises:
        ValueError: The text does not fit the scalar's tag.
    """
    try:
        return _loader().constructor.construct_object(node)
    except (KeyError, IndexError) as error:  # how `!!bool maybe` and an empty `!!int` end in ruamel.yaml
        raise ValueError(f"not a value of {node.tag}: {node.value!r}") from error


def _loader() -> Any:
    # Pure on every machine, also where a C parser is installed: places and sentences must not depend on it.
    loader = YAML(typ="safe", pure=True)
    loader.composer.warn_double_anchors = False  # YAML lets an anchor be set again
    return loader


def _where(error: MarkedYAMLError, file: str) -> Mark:
    is_unclosed = any(words in str(error.problem) for words in ("unexpected end of stream", "<stream end>"))
    place = error.context_mark if is_unclosed and error.context_mark else error.problem_mark
    return Mark(file, place.line + 1, place.column + 1) if place else Mark(file)


def _sentence(problem: str) -> str:
    found = (sentence for words, sentence in _SENTENCES if words in problem)
    return next(found, f"not YAML: {problem}")
