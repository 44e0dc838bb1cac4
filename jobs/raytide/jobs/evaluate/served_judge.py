"""A judge behind OpenAI's chat route."""

from __future__ import annotations

import os
import time
from typing import Any, Final

import httpx

from raytide.core.errors import RaytideError, RunFailed
from raytide.core.spec.evaluate import Pairwise
from raytide.jobs.evaluate.pairwise import Choice

KEY: Final = "RAYTIDE_API_KEY"
_TRIES: Final = 6
_BUSY: Final = (429, 503)
_TIMEOUT_S: Final = 120.0
_LONGEST_WAIT_S: Final = 60.0
_USUAL_WAIT_S: Final = 1.0
_ASKS: Final = """\
Two answers to the same prompt follow. Which one is {criterion}?

[Prompt]
{prompt}

[Answer A]
{first}

[Answer B]
{second}

Write A or B, and nothing else."""


class ServedJudge:
    """Asks the model that the job names; one connection pool for all its threads.

    Raises:
        RaytideError: the job names no URL.
    """

    def __init__(self, pairwise: Pairwise, transport: httpx.BaseTransport | None = None) -> None:
        self._pairwise = pairwise
        key = os.environ.get(KEY)
        headers = {"authorization": f"Bearer {key}"} if key else {}
        try:
            self._client = httpx.Client(
                base_url=pairwise.url, headers=headers, timeout=_TIMEOUT_S, trust_env=False, transport=transport
            )
        except httpx.InvalidURL as error:
            raise RaytideError(f"{pairwise.url} is no URL ({error}); correct spec.pairwise.url.") from error

    def prefers(self, prompt: str, first: str, second: str) -> Choice | None:
        """Which of two answers is better; None where the judge writes neither A nor B.

        Raises:
            RunFailed: it does not answer, or answers no chat.
        """
        asks = _ASKS.format(criterion=self._pairwise.criterion, prompt=prompt, first=first, second=second)
        body = {
            "model": self._pairwise.judge,
            "messages": [{"role": "user", "content": asks}],
            "max_tokens": 1,
            "temperature": 0,
            "structured_outputs": {"choice": ["A", "B"]},  # vLLM's; others pass over it
        }
        said = self._text_of(self._answer(body)).strip()
        return "A" if said.startswith("A") else "B" if said.startswith("B") else None

    def close(self) -> None:
        """Close the connections."""
        self._client.close()

    def _text_of(self, answer: httpx.Response) -> str:
        try:
            return str(answer.json()["choices"][0]["message"]["content"] or "")
        except (ValueError, LookupError, TypeError) as error:
            raise RunFailed(
                f"What {self._pairwise.url} sends is no answer to a chat ({answer.text[:100]!r}); correct "
                "spec.pairwise.url, as http://127.0.0.1:8080/v1."
            ) from error

    def _answer(self, body: dict[str, Any]) -> httpx.Response:
        for left in reversed(range(_TRIES)):
            try:
                answer = self._client.post("/chat/completions", json=body)
            except httpx.HTTPError as error:
                raise RunFailed(
                    f"The judge at {self._pairwise.url} does not answer ({error}); is it served?"
                ) from error
            if answer.is_success:
                return answer
            if answer.status_code not in _BUSY or not left:
                break
            time.sleep(_wait_s(answer.headers.get("retry-after", "")))
        raise RunFailed(
            f"The judge {self._pairwise.judge!r} at {self._pairwise.url} answers {answer.status_code}: "
            f"{_said(answer)}{_hint(answer.status_code)}"
        )


def _wait_s(retry_after: str) -> float:
    """As long as it says, within bounds; a proxy may say a date, or nothing."""
    return min(_LONGEST_WAIT_S, float(retry_after)) if retry_after.isdecimal() else _USUAL_WAIT_S


def _said(answer: httpx.Response) -> str:
    try:
        return str(answer.json()["error"]["message"])[:300]
    except (ValueError, KeyError, TypeError):
        return answer.text[:300]


def _hint(status: int) -> str:
    return f"; set {KEY} to a key of the service" if status == 401 else ""
