"""A model that questions are put to, one at a time: what it writes, and how likely it finds what is given."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Literal

from raytide.jobs.evaluate.model import load_model
from raytide.jobs.train.conversation import Messages


class Examinee:
    """The model of a folder, with its tokenizer."""

    def __init__(self, folder: Path) -> None:
        from transformers import AutoTokenizer

        self.model: Any = load_model(folder)
        self.tokenizer: Any = AutoTokenizer.from_pretrained(folder)

    def prompt(self, question: Messages | str, form: Literal["plain", "chat"]) -> list[int]:
        """The question's tokens: through the chat template where the form is `chat`, and a conversation always."""
        if isinstance(question, str) and form == "plain":
            tokens: list[int] = self.tokenizer.encode(question)
            return tokens
        said = [{"role": "user", "content": question}] if isinstance(question, str) else question
        templated: list[int] = self.tokenizer.apply_chat_template(said, add_generation_prompt=True, return_dict=False)
        return templated

    def per_byte(self, prompt: list[int], choice: str) -> float:
        """Log-likelihood of a choice after a prompt, by its length: a long answer is not wrong for being long."""
        import torch
        from torch.nn.functional import log_softmax

        answer = self.tokenizer.encode(choice, add_special_tokens=False)
        tokens = torch.tensor([prompt + answer], device=self.model.device)
        with torch.inference_mode():
            logits = log_softmax(self.model(input_ids=tokens).logits[0].float(), dim=-1)
        likelihoods = logits[len(prompt) - 1 : -1].gather(1, tokens[0, len(prompt) :, None])
        return float(likelihoods.sum()) / len(choice.encode())

    def answer(self, prompt: list[int], max_tokens: int) -> str:
        """What it writes after a prompt, the likeliest token each time."""
        import torch

        tokens = torch.tensor([prompt], device=self.model.device)
        with torch.inference_mode():
            output = self.model.generate(
                input_ids=tokens, attention_mask=torch.ones_like(tokens), max_new_tokens=max_tokens, do_sample=False,
                pad_token_id=self.tokenizer.eos_token_id,
            )  # fmt: skip
        text: str = self.tokenizer.decode(output[0, len(prompt) :], skip_special_tokens=True)
        return text
