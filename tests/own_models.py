"""What people make of a model, made of the embedded one for tests: an adapter, and a quantised checkpoint."""

from __future__ import annotations

import shutil
from pathlib import Path

import orjson

from omi_core.teachers.models import model_path

HIDDEN, RANK = 128, 4


def make_adapter(path: Path, size: float = 1.0) -> Path:
    """A LoRA adapter of the embedded model that adds noise of this size to every layer's queries and keys."""
    import torch
    from safetensors.torch import save_file

    path.mkdir()
    generator = torch.Generator().manual_seed(0)
    weights = {
        f"base_model.model.model.layers.{layer}.self_attn.{name}.lora_{side}.weight": size
        * torch.randn((RANK, HIDDEN) if side == "A" else (HIDDEN, RANK), generator=generator)
        for layer in range(4)
        for name in ("q_proj", "k_proj")
        for side in "AB"
    }
    save_file(weights, path / "adapter_model.safetensors")
    stated = {"peft_type": "LORA", "r": RANK, "lora_alpha": 2 * RANK, "target_modules": ["q_proj", "k_proj"]}
    (path / "adapter_config.json").write_bytes(
        orjson.dumps(stated | {"bias": "none", "task_type": "CAUSAL_LM"})
    )
    return path


# The words of the library compressed-tensors for eight-bit integers: weights by row, activations by token.
_INTEGERS = {"num_bits": 8, "type": "int", "symmetric": True}
_QUANTISED = {
    "quant_method": "compressed-tensors",
    "format": "int-quantized",
    "quantization_status": "compressed",
    "ignore": ["lm_head"],
    "config_groups": {
        "group_0": {
            "targets": ["Linear"],
            "weights": _INTEGERS | {"strategy": "channel", "dynamic": False},
            "input_activations": _INTEGERS | {"strategy": "token", "dynamic": True},
        }
    },
}


def quantise(path: Path) -> Path:
    """The embedded model in integers of eight bits, as vLLM loads it from a directory."""
    import torch
    from safetensors.torch import load_file, save_file

    source = Path(model_path("embedded:strong"))
    shutil.copytree(source, path)
    weights = load_file(source / "model.safetensors")
    for name in [name for name in weights if name.endswith("proj.weight")]:
        weight = weights[name].float()
        scale = weight.abs().amax(1, keepdim=True) / 127
        weights[name] = (weight / scale).round().to(torch.int8)
        weights[f"{name}_scale"] = scale
    save_file(weights, path / "model.safetensors", {"format": "pt"})
    config = orjson.loads((source / "config.json").read_bytes())
    (path / "config.json").write_bytes(orjson.dumps(config | {"quantization_config": _QUANTISED}))
    return path


def make_classifier(path: Path, labels: int = 1, seed: int = 0) -> Path:
    """The embedded model as a sequence classifier with a random head; its pad token is its end token."""
    import torch
    from safetensors.torch import load_file, save_file

    source = Path(model_path("embedded:strong"))
    shutil.copytree(source, path)
    weights = load_file(source / "model.safetensors")
    weights.pop("lm_head.weight", None)
    head = torch.randn((labels, HIDDEN), generator=torch.Generator().manual_seed(seed))
    save_file(weights | {"score.weight": head.bfloat16()}, path / "model.safetensors", {"format": "pt"})
    config = orjson.loads((source / "config.json").read_bytes())
    config["architectures"] = ["LlamaForSequenceClassification"]
    if labels != 2:  # which transformers takes where nothing is said
        config["id2label"] = {str(label): f"LABEL_{label}" for label in range(labels)}
    (path / "config.json").write_bytes(orjson.dumps(config))
    return path


STEP_END = "<extra_0>"


def make_process_model(path: Path, architecture: str = "Qwen2ForProcessRewardModel") -> Path:
    """A random Qwen2 with the head of a process model, or of Qwen2ForRewardModel."""
    import torch
    from safetensors.torch import save_file
    from transformers import AutoTokenizer, Qwen2Config, Qwen2Model

    config = Qwen2Config(
        vocab_size=576,
        hidden_size=HIDDEN,
        intermediate_size=256,
        num_hidden_layers=2,
        num_attention_heads=4,
        num_key_value_heads=2,
        max_position_embeddings=1024,
        architectures=[architecture],
        pad_token_id=2,
        eos_token_id=2,
    )
    torch.manual_seed(0)
    body = Qwen2Model(config).state_dict()
    outputs = 2 if "Process" in architecture else 1
    generator = torch.Generator().manual_seed(0)
    head = {
        "score.0.weight": torch.randn((HIDDEN, HIDDEN), generator=generator) / 4,
        "score.0.bias": torch.zeros(HIDDEN),
        "score.2.weight": torch.randn((outputs, HIDDEN), generator=generator) / 4,
        "score.2.bias": torch.zeros(outputs),
    }
    path.mkdir()
    save_file({f"model.{name}": value for name, value in body.items()} | head, path / "model.safetensors")
    config.save_pretrained(path)
    tokenizer = AutoTokenizer.from_pretrained(model_path("embedded:strong"))
    tokenizer.add_special_tokens({"additional_special_tokens": [STEP_END]})
    tokenizer.save_pretrained(path)
    return path
