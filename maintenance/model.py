"""A small Llama in plain PyTorch, for training the embedded teachers on one CPU thread.

Parameter names and arithmetic are those of `LlamaForCausalLM` (RMSNorm, rotary positions in halves,
SwiGLU, tied embeddings), so a saved state is a checkpoint that vLLM and transformers load as it is. It is
here, and not taken from a library, for speed: attention over packed lessons with one additive mask, and
logits only where there is a loss.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor, nn
from torch.nn import functional as F

HEAD_DIM = 32
ROPE_THETA = 10_000.0
NORM_EPS = 1e-5


@dataclass(frozen=True, slots=True)
class Shape:
    """The sizes of a model; heads are `hidden / 32`."""

    vocabulary: int
    hidden: int
    layers: int
    inner: int
    max_length: int


class RMSNorm(nn.Module):
    def __init__(self, size: int) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.ones(size))

    def forward(self, x: Tensor) -> Tensor:
        return F.rms_norm(x, self.weight.shape, self.weight, NORM_EPS)


class Attention(nn.Module):
    def __init__(self, hidden: int) -> None:
        super().__init__()
        self.q_proj = nn.Linear(hidden, hidden, bias=False)
        self.k_proj = nn.Linear(hidden, hidden, bias=False)
        self.v_proj = nn.Linear(hidden, hidden, bias=False)
        self.o_proj = nn.Linear(hidden, hidden, bias=False)

    def forward(self, x: Tensor, rotation: tuple[Tensor, Tensor], mask: Tensor) -> Tensor:
        batch, length, hidden = x.shape

        def heads(y: Tensor) -> Tensor:
            return y.view(batch, length, -1, HEAD_DIM).transpose(1, 2)

        q = rotate(heads(self.q_proj(x)), rotation)
        k = rotate(heads(self.k_proj(x)), rotation)
        v = heads(self.v_proj(x))
        y = F.scaled_dot_product_attention(q, k, v, attn_mask=mask)
        return self.o_proj(y.transpose(1, 2).reshape(batch, length, hidden))


class MLP(nn.Module):
    def __init__(self, hidden: int, inner: int) -> None:
        super().__init__()
        self.gate_proj = nn.Linear(hidden, inner, bias=False)
        self.up_proj = nn.Linear(hidden, inner, bias=False)
        self.down_proj = nn.Linear(inner, hidden, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        return self.down_proj(F.silu(self.gate_proj(x)) * self.up_proj(x))


class Layer(nn.Module):
    def __init__(self, shape: Shape) -> None:
        super().__init__()
        self.input_layernorm = RMSNorm(shape.hidden)
        self.self_attn = Attention(shape.hidden)
        self.post_attention_layernorm = RMSNorm(shape.hidden)
        self.mlp = MLP(shape.hidden, shape.inner)

    def forward(self, x: Tensor, rotation: tuple[Tensor, Tensor], mask: Tensor) -> Tensor:
        x = x + self.self_attn(self.input_layernorm(x), rotation, mask)
        return x + self.mlp(self.post_attention_layernorm(x))


class Body(nn.Module):
    def __init__(self, shape: Shape) -> None:
        super().__init__()
        self.embed_tokens = nn.Embedding(shape.vocabulary, shape.hidden)
        self.layers = nn.ModuleList(Layer(shape) for _ in range(shape.layers))
        self.norm = RMSNorm(shape.hidden)


class Llama(nn.Module):
    """Logits of packed token sequences, at chosen places."""

    def __init__(self, shape: Shape) -> None:
        super().__init__()
        self.shape = shape
        self.model = Body(shape)
        for parameter in self.parameters():
            if parameter.dim() == 2:
                nn.init.normal_(parameter, std=0.02 if parameter.shape[0] == shape.vocabulary else 0.06)
        for name, parameter in self.named_parameters():
            if name.endswith(("o_proj.weight", "down_proj.weight")):
                parameter.data /= (2 * shape.layers) ** 0.5

    def forward(self, tokens: Tensor, positions: Tensor, mask: Tensor, where: Tensor) -> Tensor:
        """Logits (n, vocabulary) at the n true places of `where`.

        `tokens` and `positions` are (batch, length) integers, `where` is (batch, length) bool, and `mask`,
        added to the attention scores, is (batch, 1, length, length), in float32 as all of the computation.
        """
        x = self.model.embed_tokens(tokens)
        rotation = rotation_of(positions)
        for layer in self.model.layers:
            x = layer(x, rotation, mask)
        return F.linear(self.model.norm(x[where]), self.model.embed_tokens.weight)


def rotation_of(positions: Tensor) -> tuple[Tensor, Tensor]:
    """Cosines and sines (batch, 1, length, head size) of the rotary position embedding."""
    frequencies = ROPE_THETA ** (-torch.arange(0, HEAD_DIM, 2, dtype=torch.float32) / HEAD_DIM)
    angles = positions[:, None, :, None].float() * frequencies
    angles = torch.cat((angles, angles), dim=-1)
    return angles.cos(), angles.sin()


def rotate(x: Tensor, rotation: tuple[Tensor, Tensor]) -> Tensor:
    cos, sin = rotation
    first, second = x.chunk(2, dim=-1)
    return x * cos + torch.cat((-second, first), dim=-1) * sin


def save_checkpoint(model: Llama, directory: Path, end_token: int) -> None:
    """Writes config.json, generation_config.json and model.safetensors (bfloat16) into a directory."""
    from safetensors.torch import save_file

    shape = model.shape
    config = {
        "architectures": ["LlamaForCausalLM"],
        "attention_bias": False,
        "bos_token_id": None,
        "eos_token_id": end_token,
        "head_dim": HEAD_DIM,
        "hidden_act": "silu",
        "hidden_size": shape.hidden,
        "initializer_range": 0.02,
        "intermediate_size": shape.inner,
        "max_position_embeddings": shape.max_length,
        "mlp_bias": False,
        "model_type": "llama",
        "num_attention_heads": shape.hidden // HEAD_DIM,
        "num_hidden_layers": shape.layers,
        "num_key_value_heads": shape.hidden // HEAD_DIM,
        "pad_token_id": end_token,
        "rms_norm_eps": NORM_EPS,
        "rope_theta": ROPE_THETA,
        "tie_word_embeddings": True,
        "torch_dtype": "bfloat16",
        "vocab_size": shape.vocabulary,
    }
    generation = {"eos_token_id": end_token, "pad_token_id": end_token}
    (directory / "config.json").write_text(json.dumps(config, indent=2) + "\n")
    (directory / "generation_config.json").write_text(json.dumps(generation, indent=2) + "\n")
    state = {name: value.to(torch.bfloat16).contiguous() for name, value in model.state_dict().items()}
    save_file(state, directory / "model.safetensors", metadata={"format": "pt"})


def load_weights(model: Llama, directory: Path) -> None:
    """Puts the weights of a checkpoint directory, made by `save_checkpoint`, into a model of its shape.

    A model with a larger vocabulary keeps its own embeddings of the tokens that the checkpoint lacks.
    """
    from safetensors.torch import load_file

    state = {name: value.float() for name, value in load_file(directory / "model.safetensors").items()}
    known = state["model.embed_tokens.weight"]
    more = model.model.embed_tokens.weight.detach()[len(known) :]
    model.load_state_dict(state | {"model.embed_tokens.weight": torch.cat((known, more))})
