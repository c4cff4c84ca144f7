"""A reward model on vLLM's pooling runner: each text becomes a number, fed and stopped as any teacher is.

The numbers are the model's raw outputs, without an activation; those of a process model's steps are
probabilities. A sample's text is the number as `repr` writes it. The first few of a task are held against
transformers, where the model is small.
"""

from __future__ import annotations

import math
from pathlib import Path
from typing import TYPE_CHECKING, Any

from omi_core.options import ConfigError
from omi_core.records import Sample
from omi_core.teachers.models import local_directory
from omi_core.teachers.reward_head import RewardHead, read_head, step_token
from omi_core.teachers.teacher import Request
from omi_core.teachers.vllm import Running, VllmTeacher

if TYPE_CHECKING:
    from vllm import PoolingParams

_CHECKED, _SMALL_BYTES = 2, 2 * 10**9
_STEPS = {"product": math.prod, "min": min, "last": lambda values: values[-1]}
# (absolute, relative) difference that rounding explains.
_CLOSE, _CLOSE_IN_16_BITS = (1e-3, 1e-3), (0.1, 0.1)


class RewardTeacher(VllmTeacher):
    """Scores the last message of each request.

    Raises:
        ConfigError: as `VllmTeacher`; or the model gives no scores, or other ones than transformers computes.
    """

    def _open(self) -> None:
        stated = self._engine.model_config.hf_config.to_dict()
        head = read_head(self._options, stated)
        assert head is not None
        self._head: RewardHead = head
        tokenizer = self._engine.get_tokenizer()
        self._step_end = step_token(self._options, tokenizer) if head.stepwise else None
        self._longest = self._context
        self._unchecked: dict[tuple[int, int], list[int]] = {}
        self._to_check = self._count_to_check() if head.pooled else 0
        self._reference: Any = None

    def _tokenize(self, request: Request) -> list[int]:
        if self._step_end is None:
            tokens = self._chat.tokens(request.messages)
        else:
            tokens = self._chat.stepped(request.messages, self._step_end)
        self._begun = True
        self._note()
        if self._head.last is not None:
            tokens = [*tokens, self._head.last]
        if self._to_check and len(tokens) <= self._longest:
            self._to_check -= 1
            self._unchecked[request.record.ordinal, request.index] = list(tokens)
        while len(tokens) > 1 and tokens[-1] == self._head.padding:
            tokens = tokens[:-1]
        return tokens

    def _opens_thinking(self) -> bool:
        return False

    def _too_long(self, request: Request, tokens: int) -> Sample:
        return request.sample("", "length", tokens, 0, 0.0)

    def _params(self, seed: int) -> PoolingParams:
        from vllm import PoolingParams

        task = "classify" if self._head.pooled else "token_classify"
        return PoolingParams(task=task, use_activation=False, step_tag_id=self._step_end)

    def _ended(self, output: Any) -> str:
        if getattr(output, "error", None) is not None:
            return "error"
        return "stop" if output.outputs.data.numel() else "abort"

    def _sample(self, done: Running, output: Any, reason: str) -> Sample:
        request, tokens = done.request, len(output.prompt_token_ids)
        score = self._score(output.outputs.data.float())
        if (checked := self._unchecked.pop((request.record.ordinal, request.index), None)) is not None:
            self._check(score, checked, request)
        if not math.isfinite(score):
            return request.refused(f"NoScore: the model's output is {score}", tokens)
        return request.sample(repr(score), reason, tokens, 0, done.seconds)

    def _score(self, outputs: Any) -> float:
        """The score in the outputs of the model, of shape (outputs,), (tokens, 1) or (steps, 2)."""
        label = self._head.label
        if self._head.pooled:
            return outputs.tolist()[label]
        if not self._head.stepwise:
            return outputs[-1].tolist()[label]
        steps = outputs.double().softmax(dim=-1)[:, label].tolist()
        return float(_STEPS[self._options.reward.steps](steps))

    def _count_to_check(self) -> int:
        if (asked := self._options.reward.checked) is not None:
            return asked
        directory = local_directory(self._options.model) or Path("/nonexistent")
        size = sum(path.stat().st_size for path in directory.glob("*.safetensors"))
        return _CHECKED if 0 < size < _SMALL_BYTES else 0

    def _check(self, score: float, tokens: list[int], request: Request) -> None:
        """Raises ConfigError when transformers computes another score of these tokens."""
        import torch
        from transformers import AutoModelForSequenceClassification
        from transformers.utils import logging

        if self._reference is None:
            logging.disable_progress_bar()
            name, revision = self._options.model, self._options.revision
            self._reference = AutoModelForSequenceClassification.from_pretrained(
                name, revision=revision, dtype=torch.float32
            ).eval()
        with torch.inference_mode():
            logits = self._reference(input_ids=torch.tensor([tokens])).logits
        expected = float(logits[0, self._head.label])
        whole = self._engine.model_config.dtype == torch.float32
        absolute, relative = _CLOSE if whole else _CLOSE_IN_16_BITS
        if not abs(score - expected) <= absolute + relative * abs(expected):
            raise ConfigError(
                f"teacher.model={self._options.model}: vLLM scores sample {request.index} of record "
                f"{request.record.id} {score:.6g}, transformers {expected:.6g}; try "
                "teacher.dtype=float32, or teacher.reward.checked=0 to do without the check"
            )
        if not self._to_check and not self._unchecked:
            self._reference = None
