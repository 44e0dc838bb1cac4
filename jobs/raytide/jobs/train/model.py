"""The model that is trained: new from its sizes, or another one, with or without an adapter."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from raytide.core.spec.train import Lora, ModelShape
from raytide.jobs.preprocess.adopt import special_token
from raytide.jobs.train.plan import Plan

if TYPE_CHECKING:
    from transformers import LlamaConfig, LlamaForCausalLM


def model_of(plan: Plan) -> Any:
    """The model at the beginning of a run, on the CPU in float32."""
    spec = plan.spec
    if plan.start is None:
        config = llama_config(spec.model or ModelShape(), plan.tokenizer, plan.sequence_length)
        return new_model(config, spec.seed)
    model = loaded(plan.start)
    return with_adapter(model, spec.lora, spec.seed) if spec.lora else model


def llama_config(shape: ModelShape, tokenizer: Path, sequence_length: int) -> LlamaConfig:
    """The configuration for a vocabulary; input and output embeddings are one matrix."""
    from tokenizers import Tokenizer
    from transformers import LlamaConfig

    vocabulary = Tokenizer.from_file(str(tokenizer / "tokenizer.json"))
    roles = {role: special_token(tokenizer, role) for role in ("bos_token", "eos_token", "pad_token")}
    return LlamaConfig(
        vocab_size=vocabulary.get_vocab_size(),
        hidden_size=shape.hidden_size,
        num_hidden_layers=shape.layers,
        num_attention_heads=shape.heads,
        num_key_value_heads=shape.kv_heads,
        intermediate_size=shape.intermediate_size,
        max_position_embeddings=sequence_length,
        tie_word_embeddings=True,
        **{f"{role}_id": token and vocabulary.token_to_id(token) for role, token in roles.items()},
    )


def new_model(config: LlamaConfig, seed: int) -> LlamaForCausalLM:
    """The untrained model, the same for the same seed."""
    import torch
    from transformers import LlamaForCausalLM

    torch.manual_seed(seed)
    return LlamaForCausalLM(config)


def loaded(folder: Path) -> Any:
    """The causal language model in a folder, in float32."""
    import torch
    from transformers import AutoModelForCausalLM

    return AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32, local_files_only=True)


def with_adapter(model: Any, lora: Lora, seed: int) -> Any:
    """The model frozen, with a new adapter that changes nothing yet; the same for the same seed."""
    import torch
    from peft import LoraConfig, get_peft_model

    torch.manual_seed(seed)
    config = LoraConfig(
        r=lora.rank,
        lora_alpha=lora.alpha,
        lora_dropout=lora.dropout,
        target_modules=list(lora.target_modules) or "all-linear",
        task_type="CAUSAL_LM",
    )
    return get_peft_model(model, config)
