"""The model that is trained: a Llama decoder from its sizes, with weights from a seed."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from raytide.core.spec.job import ModelShape
from raytide.jobs.preprocess.bpe import BOS, EOS, PAD

if TYPE_CHECKING:
    from transformers import LlamaConfig, LlamaForCausalLM


def llama_config(shape: ModelShape, tokenizer: Path, sequence_length: int) -> LlamaConfig:
    """The configuration for a vocabulary; input and output embeddings are one matrix."""
    from tokenizers import Tokenizer
    from transformers import LlamaConfig

    vocabulary = Tokenizer.from_file(str(tokenizer / "tokenizer.json"))
    return LlamaConfig(
        vocab_size=vocabulary.get_vocab_size(),
        hidden_size=shape.hidden_size,
        num_hidden_layers=shape.layers,
        num_attention_heads=shape.heads,
        num_key_value_heads=shape.kv_heads,
        intermediate_size=shape.intermediate_size,
        max_position_embeddings=sequence_length,
        tie_word_embeddings=True,
        bos_token_id=vocabulary.token_to_id(BOS),
        eos_token_id=vocabulary.token_to_id(EOS),
        pad_token_id=vocabulary.token_to_id(PAD),
    )


def new_model(config: LlamaConfig, seed: int) -> LlamaForCausalLM:
    """The untrained model, the same for the same seed."""
    import torch
    from transformers import LlamaForCausalLM

    torch.manual_seed(seed)
    return LlamaForCausalLM(config)
