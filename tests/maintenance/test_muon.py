"""Muon in float32 is torch's Muon, but for its rounding to bfloat16."""

from __future__ import annotations

import pytest

torch = pytest.importorskip("torch")
from maintenance.muon import Muon32, orthogonal  # noqa: E402

SHAPES = [(24, 24), (48, 16), (16, 48)]


@pytest.mark.parametrize(("rows", "columns"), SHAPES)
def test_the_singular_values_become_alike_and_the_singular_vectors_stay(rows: int, columns: int) -> None:
    matrix = torch.randn(rows, columns, generator=torch.Generator().manual_seed(2))
    made = orthogonal(matrix)
    assert made.shape == matrix.shape and made.dtype == torch.float32
    left, before, right = torch.linalg.svd(matrix, full_matrices=False)
    inside = left.T @ made @ right.T
    torch.testing.assert_close(inside, inside.diagonal().diag(), atol=1e-3, rtol=0)
    large = inside.diagonal()[before > before[0] / 20]
    assert ((large > 0.6) & (large < 1.3)).all()


@pytest.mark.parametrize(("rows", "columns"), SHAPES)
def test_the_steps_are_those_of_the_muon_of_torch(rows: int, columns: int) -> None:
    chance = torch.Generator().manual_seed(3)
    begin = torch.randn(rows, columns, generator=chance)
    gradients = [torch.randn(rows, columns, generator=chance) for _ in range(4)]
    ends = []
    for made in (Muon32, torch.optim.Muon):
        matrix = torch.nn.Parameter(begin.clone())
        optimizer = made([matrix], lr=0.05, momentum=0.95, weight_decay=0.1)
        for gradient in gradients:
            matrix.grad = gradient.clone()
            optimizer.step()
        ends.append(matrix.detach())
    moved = (ends[1] - begin).norm()
    assert (ends[0] - ends[1]).norm() < 0.02 * moved
