"""Replies of an embedded model by transformers, in batches, where speed is not measured."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from maintenance.tokenizer import rendered
from omi_core.teachers.tiny import path

AT_ONCE = 400


def checkpoint(name: str) -> Path:
    """The directory of an embedded model by its name, or the directory that was named."""
    return Path(name) if Path(name).is_dir() else path(name)


def replies_of(
    directory: Path, prompts: Sequence[str], longest: int, temperature: float = 0.0, seed: int = 0
) -> list[str]:
    """A reply of at most `longest` tokens to each prompt; at temperature 0 the likeliest tokens."""
    import torch
    from transformers import AutoModelForCausalLM, AutoTokenizer

    model: Any = AutoModelForCausalLM.from_pretrained(directory, dtype=torch.float32)
    tokenizer: Any = AutoTokenizer.from_pretrained(directory, padding_side="left")
    # top_k=0: without it transformers would sample from the 50 likeliest tokens alone.
    sampling = (
        {"do_sample": True, "temperature": temperature, "top_k": 0} if temperature else {"do_sample": False}
    )
    torch.manual_seed(seed)
    texts: list[str] = []
    for start in range(0, len(prompts), AT_ONCE):
        some = [rendered(prompt) for prompt in prompts[start : start + AT_ONCE]]
        batch = tokenizer(some, return_tensors="pt", padding=True, add_special_tokens=False)
        ids, mask = batch["input_ids"], batch["attention_mask"]
        made = model.generate(input_ids=ids, attention_mask=mask, max_new_tokens=longest, **sampling)
        texts += tokenizer.batch_decode(made[:, ids.shape[1] :], skip_special_tokens=True)
    return texts
