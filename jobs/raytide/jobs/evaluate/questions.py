"""Questions of a file, asked of a model: which choice it finds likeliest, what it writes, or what it must not write."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any, Final, NamedTuple, TypeAlias

from raytide.core.spec.evaluate import Task
from raytide.jobs.evaluate.examinee import Examinee
from raytide.jobs.evaluate.harness import HarnessTask, harness_right, read_harness_task
from raytide.jobs.json_file import read_rows
from raytide.jobs.train.conversation import Messages
from raytide.jobs.train.feedback import file_of
from raytide.jobs.train.preferences import read_preferences

_MULTIPLE_CHOICE: Final = '{"question": …, "choices": [two or more texts], "answer": index of the right one}'
_GENERATION: Final = '{"prompt": …, "answer": …}'
_PROBE: Final = (
    '{"prompt": …, "forbidden": [regular expressions], "wanted": [regular expressions]}, one of both at least'
)
_EXPECTED: Final = {"multiple-choice": _MULTIPLE_CHOICE, "generation": _GENERATION, "probe": _PROBE}


class Choice(NamedTuple):
    """A question with the answers to choose from."""

    question: Messages | str
    choices: tuple[str, ...]
    answer: int


class Prompt(NamedTuple):
    """A question with the answer that is expected."""

    question: str
    answer: str


class Probe(NamedTuple):
    """A question that may be answered wrongly in a way that must not be."""

    question: str
    forbidden: tuple[str, ...]
    """Regular expressions."""
    wanted: tuple[str, ...]

    def is_passed_by(self, answer: str) -> bool:
        """Whether nothing that is forbidden is in the answer and, where something is wanted, some of it is."""
        if any(re.search(pattern, answer) for pattern in self.forbidden):
            return False
        return not self.wanted or any(re.search(pattern, answer) for pattern in self.wanted)


Question: TypeAlias = Choice | Prompt | Probe
Asked: TypeAlias = list[Question] | HarnessTask


def read_questions(task: Task, file: Path) -> Asked:
    """The questions of a task, or the task of lm-eval that has them.

    Raises:
        RaytideError: There is no such file, or nothing in it.
        SpecError: Lines that are no questions of this kind.
    """
    named = f"the file of {task.name} in spec.tasks"
    if task.kind == "lm-eval":
        return read_harness_task(file, named)
    if task.kind == "preferences":
        preferences = read_preferences(file_of(file), named)
        return [Choice(asked, (chosen, rejected), 0) for asked, chosen, rejected in preferences]
    return read_rows(
        file,
        lambda content: _question(task, content),
        named=named,
        what=f"{task.kind} question",
        expected=_EXPECTED[task.kind],
    )


def answers_right(folder: Path, tasks: dict[str, tuple[Task, Asked]]) -> dict[str, list[bool]]:
    """Of each task by name, whether each question was answered rightly."""
    examinee = Examinee(folder)
    return {name: _right(examinee, task, asked) for name, (task, asked) in tasks.items()}


def _right(examinee: Examinee, task: Task, asked: Asked) -> list[bool]:
    if isinstance(asked, HarnessTask):
        return harness_right(examinee, asked)
    return [is_right(examinee, task, question) for question in asked]


def is_right(examinee: Examinee, task: Task, question: Question) -> bool:
    """Whether the model answers as the question expects."""
    prompt = examinee.prompt(question.question, task.prompt)
    match question:
        case Choice(choices=choices, answer=answer):
            likelihoods = [examinee.per_byte(prompt, choice) for choice in choices]
            return likelihoods.index(max(likelihoods)) == answer
        case Prompt(answer=expected):
            return examinee.answer(prompt, task.max_tokens).strip() == expected.strip()
        case Probe():
            return question.is_passed_by(examinee.answer(prompt, task.max_tokens))


def _question(task: Task, content: object) -> Question | None:
    match task.kind, content:
        case "multiple-choice", {"question": str(question), "choices": list(choices), "answer": int(answer)} if (
            answer is not True and answer is not False
        ):
            return _choice(question, choices, answer)
        case "generation", {"prompt": str(prompt), "answer": str(answer)}:
            return Prompt(prompt, answer)
        case "probe", {"prompt": str(prompt), **rest}:
            return _probe(prompt, rest)
    return None


def _probe(prompt: str, rest: dict[object, Any]) -> Probe | None:
    lists = [rest.pop(name, []) for name in ("forbidden", "wanted")]
    forbidden, wanted = (tuple(each) if _are_patterns(each) else None for each in lists)
    if rest or forbidden is None or wanted is None or not (forbidden or wanted):
        return None
    return Probe(prompt, forbidden, wanted)


def _are_patterns(found: object) -> bool:
    try:
        return isinstance(found, list) and all(isinstance(each, str) and bool(re.compile(each)) for each in found)
    except re.error:
        return False


def _choice(question: str, choices: list[Any], answer: int) -> Choice | None:
    texts = all(isinstance(choice, str) and choice for choice in choices)
    return Choice(question, tuple(choices), answer) if texts and 0 <= answer < len(choices) > 1 else None
