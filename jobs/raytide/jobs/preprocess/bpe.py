"""A byte-level BPE tokenizer that is learned from the corpus, in the files that transformers and vLLM load."""

from __future__ import annotations

import json
from itertools import chain
from pathlib import Path
from typing import Final

from raytide.core.spec.preprocess import Tokenizer
from raytide.jobs.preprocess.documents import taken, texts

BOS: Final = "<|begin|>"
EOS: Final = "<|end|>"
PAD: Final = "<|pad|>"

# The roles are plain text: a model that never saw a conversation continues what it reads.
CHAT_TEMPLATE: Final = (
    "{{ bos_token }}{% for message in messages %}{{ message['role'] }}: {{ message['content'] }}\n{% endfor %}"
    "{% if add_generation_prompt %}assistant: {% endif %}"
)


def train_tokenizer(shards: list[Path], spec: Tokenizer, sequence_length: int, folder: Path) -> None:
    """Writes `tokenizer.json` and `tokenizer_config.json`; the same documents give the same bytes."""
    from tokenizers import Tokenizer as Bpe
    from tokenizers import decoders, models, pre_tokenizers, processors, trainers

    bpe = Bpe(models.BPE())
    bpe.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    bpe.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=spec.vocab_size,
        special_tokens=[BOS, EOS, PAD],
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    per_shard = spec.sample // len(shards)
    sample = chain.from_iterable(taken(texts(shard), per_shard) for shard in shards)
    bpe.train_from_iterator(sample, trainer)
    bos = bpe.token_to_id(BOS)
    bpe.post_processor = processors.TemplateProcessing(single=f"{BOS} $A", special_tokens=[(BOS, bos)])
    folder.mkdir(exist_ok=True)
    bpe.save(str(folder / "tokenizer.json"))
    (folder / "tokenizer_config.json").write_text(json.dumps(_config(sequence_length), indent=2) + "\n")


def _config(sequence_length: int) -> dict[str, object]:
    return {
        "tokenizer_class": "PreTrainedTokenizerFast",
        "bos_token": BOS,
        "eos_token": EOS,
        "pad_token": PAD,
        "model_max_length": sequence_length,
        "clean_up_tokenization_spaces": False,
        "chat_template": CHAT_TEMPLATE,
    }
