"""What people make of a model, made of the embedded one for tests: an adapter, and a quantised checkpoint."""

from __future__ import annotations

import shutil
from pathlib import Path

import orjson

from omi_core.teachers.models import model_path

HIDDEN, RANK = 128, 4


def make_adapter(path: Path) -> Path:
    """A LoRA adapter of the embedded model that adds noise to the queries and keys of every layer."""
    import torch
    from safetensors.torch import save_file

    path.mkdir()
    generator = torch.Generator().manual_seed(0)
    weights = {
        f"base_model.model.model.layers.{layer}.self_attn.{name}.lora_{side}.weight": torch.randn(
            (RANK, HIDDEN) if side == "A" else (HIDDEN, RANK), generator=generator
        )
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
