"""Muon that orthogonalises in float32.

torch's own works in bfloat16, which takes a CPU without bfloat16 instructions longer than all the rest of
a step. Momentum with Nesterov's look ahead, then the nearest orthogonal matrix by the quintic Newton-Schulz
iteration of Keller Jordan's Muon (https://kellerjordan.github.io/posts/muon).
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import torch
from torch import Tensor

A, B, C = 3.4445, -4.7750, 2.0315
ITERATIONS = 5


class Muon32(torch.optim.Optimizer):
    """Updates matrices as `torch.optim.Muon` does with its defaults, but for the rounding."""

    def __init__(self, params: Iterable[Tensor], lr: float, momentum: float, weight_decay: float) -> None:
        super().__init__(params, {"lr": lr, "momentum": momentum, "weight_decay": weight_decay})

    @torch.no_grad()
    def step(self, closure: Any = None) -> None:  # pyright: ignore[reportIncompatibleMethodOverride]
        """One update from the gradients; a closure is not called."""
        for group in self.param_groups:
            for matrix in group["params"]:
                held = self.state[matrix].setdefault("momentum", torch.zeros_like(matrix))
                held.lerp_(matrix.grad, 1 - group["momentum"])
                update = orthogonal(matrix.grad.lerp(held, group["momentum"]))
                rows, columns = matrix.shape
                matrix.mul_(1 - group["lr"] * group["weight_decay"])
                matrix.add_(update, alpha=-group["lr"] * max(1, rows / columns) ** 0.5)


def orthogonal(matrix: Tensor) -> Tensor:
    """A matrix with the same singular vectors, and singular values near 1."""
    tall = matrix.shape[0] > matrix.shape[1]
    x = matrix.T if tall else matrix
    x = x / x.norm().clamp(min=1e-7)
    for _ in range(ITERATIONS):
        square = x @ x.T
        x = A * x + (B * square + C * square @ square) @ x
    return x.T if tall else x
