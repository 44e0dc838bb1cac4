"""`task: evaluate`: how good a trained model is, and whether it is good enough."""

from __future__ import annotations

from typing import Literal, Self

from pydantic import Field, model_validator

from raytide.core.spec.base import Name, Strict
from raytide.core.spec.cluster import Accelerator
from raytide.core.units import Bytes, Fraction


class Registration(Strict):
    """Where a model that passes is registered."""

    name: Name
    alias: Name = "candidate"
    """The alias that moves to a version that passes."""


class Task(Strict):
    """Questions of a file, and how they are asked."""

    name: Name
    kind: Literal["multiple-choice", "generation", "probe", "preferences", "lm-eval"]
    file: str
    """JSON lines: `{"question": …, "choices": [ … ], "answer": index}`; `{"prompt": …, "answer": …}` to generate; to
    probe for what must not be answered, `{"prompt": …, "forbidden": [ … ], "wanted": [ … ]}` with regular expressions,
    of which no forbidden one may match the answer and one that is wanted must; preferences, as a train job reads them:
    a model is right about those whose chosen answer it finds the likelier one; or the YAML of a task of lm-eval whose
    data are files beside it, and whose first metric is one or zero for a question."""
    prompt: Literal["plain", "chat"] = "plain"
    """`chat` puts a question through the model's chat template, as the chat route does."""
    max_tokens: int = Field(default=64, ge=1)
    """Of a generated answer, which is right where it equals the expected one but for white space around it."""
    min_accuracy: Fraction | None = None
    """Below this the gate refuses the model."""


class Pairwise(Strict):
    """The model's answers beside those of the production version, else of the model that it started from, as a model
    that is served judges them: each pair in both orders, and better only where it is in both.
    """

    file: str
    """JSON lines: `{"prompt": …}`."""
    judge: str
    """The model that judges, as clients name it."""
    url: str = Field(default="http://127.0.0.1:8080/v1", pattern=r"^https?://\S+$")
    """Where it answers chats; the key is read from `RAYTIDE_API_KEY`, where one is asked for."""
    criterion: str = Field(default="the more helpful, correct and harmless", min_length=1)
    """What the better answer is."""
    prompt: Literal["plain", "chat"] = "plain"
    """`chat` puts a prompt through the model's chat template, as the chat route does."""
    max_tokens: int = Field(default=256, ge=1)
    """Of an answer that is judged."""


class Gate(Strict):
    """What a model must achieve to be registered."""

    improvement: float = Field(default=4.0, gt=0)
    """The perplexity before training must be at least this many times as high: that of the untrained model, or of the
    one that a fine-tuning started from."""
    max_regression: Fraction = 0.02
    """How many more bits per byte than the production version are tolerated, as a share of its bits per byte."""
    confidence: Fraction = 0.95
    """With which it must be shown that no more is lost; a task on which production is better with this confidence is
    a reason to refuse, and so are answers that a judge finds worse."""


class EvaluateSpec(Strict):
    """Held-out quality of a trained model against what it was before and against the production one."""

    task: Literal["evaluate"]
    data: str
    """The output folder of a preprocess job."""
    model: str
    """The `export` folder of a train job."""
    registry: Registration
    gate: Gate = Gate()
    tasks: tuple[Task, ...] = ()
    pairwise: Pairwise | None = None
    report: str
    """The JSON file to write; a page with plots is written beside it, with the ending `.html`."""
    max_held_out: Bytes | None = None
    """Held-out text that is scored, in order of the documents; the same text for every model. All where unset."""
    accelerator: Accelerator = "CPU"
    """What scoring runs on; anything but CPU takes one accelerator per model."""
    seed: int = Field(default=0, ge=0)
    """Of the resampling behind every interval."""

    @model_validator(mode="after")
    def _apart(self) -> Self:
        if self.report.endswith(".html"):
            raise ValueError("a report that ends in .json: the page beside it ends in .html")
        if len({task.name for task in self.tasks}) < len(self.tasks):
            raise ValueError("tasks of different names")
        return self
