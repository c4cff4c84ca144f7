"""Learning to score: the list-wise Bradley-Terry loss over the right and wrong responses to a problem.

A row is a problem with all of its responses (`preference_rendering`); a pair is a list of two. The loss of a
problem with k right responses of n is -1/(k(n-k)) times the sum of log sigmoid(r_right - r_wrong) over all
pairs (arXiv 2412.15084, section 4.2), that of a step the mean over its problems.
"""

from __future__ import annotations

from typing import Any

import torch
from transformers import TrainingArguments

from omi_core.training.curves import CurveFile
from omi_core.training.preference_rendering import RIGHT
from omi_core.training.rendering import NO_LOSS
from omi_core.training.stage_trainer import StageTrainer, StageWork, common_arguments

Batch = dict[str, torch.Tensor]


def gaps(scores: torch.Tensor, right: torch.Tensor) -> torch.Tensor:
    """By how much each right response scores above each wrong one.

    Args:
        scores: of the n responses to a problem, shape (n,).
        right: which of them are right, of bool and shape (n,).

    Returns:
        Shape (k, n - k), for k right ones.
    """
    return scores[right][:, None] - scores[~right][None, :]


def list_loss(scores: torch.Tensor, right: torch.Tensor) -> torch.Tensor:
    """The list-wise Bradley-Terry loss of a problem; arguments as for `gaps`."""
    return -torch.nn.functional.logsigmoid(gaps(scores, right)).mean()


class ResponseCollator:
    """Makes a batch of rows: a line for each response, padded on the right."""

    def __init__(self, padding: int) -> None:
        self._padding = padding

    def __call__(self, rows: list[dict[str, list[int]]]) -> Batch:
        """`input_ids` and `attention_mask` (responses, longest), `right` (responses,), `sizes` (rows,)."""
        texts: list[torch.Tensor] = []
        sizes, right = [], []
        for row in rows:
            labels = torch.tensor(row["labels"])
            ends = (labels != NO_LOSS).nonzero()[:, 0] + 1
            lengths = ends.diff(prepend=torch.tensor([0])).tolist()
            texts += torch.tensor(row["input_ids"]).split(lengths)
            right.append(labels[ends - 1] == RIGHT)
            sizes.append(len(lengths))
        masks = [torch.ones_like(text) for text in texts]
        pad = torch.nn.utils.rnn.pad_sequence
        return {
            "input_ids": pad(texts, batch_first=True, padding_value=self._padding),
            "attention_mask": pad(masks, batch_first=True),
            "right": torch.cat(right),
            "sizes": torch.tensor(sizes),
        }


class RewardTrainer(StageTrainer):
    """The loss is the mean over the problems of a step, however they are spread and cut up."""

    accuracy_logged = "pair_accuracy"
    loss_is_scaled_for_ga = False  # each micro-batch has as many problems, so the mean of means is theirs

    def __init__(self, work: StageWork, curve: CurveFile, **given: Any) -> None:
        arguments = TrainingArguments(
            **common_arguments(work),
            gradient_checkpointing_kwargs={"use_reentrant": False},
            remove_unused_columns=False,
        )
        collator = ResponseCollator(given["processing_class"].pad_token_id)
        super().__init__(work, curve, args=arguments, data_collator=collator, **given)
        self._tokens = curve.tokens()
        # Of this process since the last step that was told: tokens, pairs in order, pairs.
        self._counted = torch.zeros(3, dtype=torch.float64, device=arguments.device)

    def compute_loss(
        self, model: Any, inputs: Batch, return_outputs: bool = False, num_items_in_batch: Any = None
    ) -> Any:
        mask = inputs["attention_mask"]
        outputs = model(input_ids=inputs["input_ids"], attention_mask=mask, use_cache=False)
        scores = outputs.logits[:, 0].float()
        sizes = inputs["sizes"].tolist()
        problems = list(zip(scores.split(sizes), inputs["right"].split(sizes), strict=True))
        with torch.no_grad():
            pairs = torch.cat([gaps(*problem).flatten() for problem in problems]).double()
            in_order = torch.heaviside(pairs, pairs.new_tensor(0.5)).sum()  # equal scores are half in order
            self._counted += torch.stack([mask.sum().double(), in_order, pairs.new_tensor(len(pairs))])
        loss = torch.stack([list_loss(*problem) for problem in problems]).mean()
        return (loss, outputs) if return_outputs else loss

    def log(self, logs: dict[str, float], start_time: float | None = None) -> None:
        if "loss" in logs:
            counted = self.accelerator.reduce(self._counted.clone(), "sum")
            tokens, in_order, pairs = counted.tolist()  # type: ignore[union-attr]
            self._tokens += int(tokens)
            self._counted.zero_()
            logs |= {"num_tokens": self._tokens, self.accuracy_logged: in_order / pairs}
        super().log(logs, start_time)
