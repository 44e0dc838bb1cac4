"""`POST /v1/feedback`: what a client thinks of an answer that it got here."""

from __future__ import annotations

import asyncio
import json
from typing import Final, Literal

import msgspec
from starlette.types import Receive

from raytide.services.feedback.answer import Judged, Judgement, Rating, Unjudged
from raytide.services.feedback.recorder import TOGETHER_S, Recorder, RecorderSilent
from raytide.services.gateway.incoming import Headers, body_of
from raytide.services.gateway.metrics import Metrics
from raytide.services.gateway.refusal import (
    UNREADABLE,
    Refused,
    invalid,
    unauthenticated,
    unavailable,
    unreadable,
)
from raytide.services.ledger.secret import hash_of

FEEDBACK: Final = "/v1/feedback"
MOST_BYTES: Final = 2**20
ID_PREFIX: Final = "rt-"
"""Engines write what they call their answer before the id: `chatcmpl-rt-…`."""
_RETRY_S: Final = 2.0
_REFUSALS: Final = {
    Unjudged.NO_ANSWER: invalid(
        "no answer with this id is kept: the service does not ask for feedback, it is too long ago, the answer was no "
        "text, or another key asked",
        param="id",
        status=404,
        code="answer_not_found",
    ),
    Unjudged.NO_KEY: unauthenticated("an answer is judged with the API key that it was asked with"),
    Unjudged.UNKNOWN_KEY: unauthenticated("this API key does not exist"),
    Unjudged.REVOKED_KEY: unauthenticated("this API key was revoked", code="revoked_api_key"),
}


class _Body(msgspec.Struct, forbid_unknown_fields=True):
    id: str
    rating: Literal["up", "down"] | None = None
    edit: str | None = None


_DECODER: Final = msgspec.json.Decoder(_Body)


async def judged(recorder: Recorder, metrics: Metrics, headers: Headers, receive: Receive) -> bytes:
    """The JSON that tells the client what is kept now.

    Raises:
        Refused: it is no judgement, or of no answer that this client may judge.
    """
    judgement = _judgement(await body_of(receive, headers.num_bytes(), MOST_BYTES), headers.secret())
    try:
        answer = await recorder.judge(judgement)
        if answer is Unjudged.NO_ANSWER:  # another gateway may be about to write it down
            await asyncio.sleep(2 * TOGETHER_S)
            answer = await recorder.judge(judgement)
    except RecorderSilent as error:
        raise Refused(unavailable("the feedback cannot be kept now", "ledger_silent", _RETRY_S)) from error
    if isinstance(answer, Unjudged):
        raise Refused(_REFUSALS[answer])
    for verdict in _verdicts(answer):
        metrics.judged.labels(answer.service, verdict).inc()
    return _said(answer)


def _judgement(body: bytes, secret: str | None) -> Judgement:
    try:
        read = _DECODER.decode(body)
    except UNREADABLE as error:
        raise Refused(unreadable(error)) from error
    if read.rating is None and read.edit is None:
        raise Refused(invalid("nothing is judged: give a rating, `up` or `down`, or an edit", param="rating"))
    if read.edit is not None and (not read.edit.strip() or "\0" in read.edit):
        raise Refused(invalid("the edit is no text that an answer could be", param="edit"))
    return Judgement(
        answer_id=ID_PREFIX + read.id.rpartition(ID_PREFIX)[2],
        secret_hash=None if secret is None else hash_of(secret),
        rating=None if read.rating is None else Rating(read.rating),
        edit=read.edit,
    )


def _verdicts(answer: Judged) -> list[str]:
    return [*([answer.rating.value] if answer.rating else []), *(["edit"] if answer.edit is not None else [])]


def _said(answer: Judged) -> bytes:
    kept = {"id": answer.answer_id, "object": "feedback", "service": answer.service, "rating": answer.rating}
    return json.dumps({**kept, "edit": answer.edit is not None}).encode()
