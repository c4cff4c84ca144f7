"""The head of a reward model, in float32 whatever the precision of the layers below, as vLLM has it."""

from __future__ import annotations

import torch


class Float32Head(torch.nn.Linear):
    """Takes the place of a linear layer without a bias, and has its weights."""

    def __init__(self, head: torch.nn.Linear) -> None:
        super().__init__(head.in_features, head.out_features, bias=False, device="meta")
        self.weight = head.weight

    def forward(self, input: torch.Tensor) -> torch.Tensor:
        with torch.autocast(input.device.type, enabled=False):
            return torch.nn.functional.linear(input.float(), self.weight.float())
