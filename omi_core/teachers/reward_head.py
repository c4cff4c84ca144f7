"""What kind of reward model a checkpoint is, told from its config.json: where its outputs are read.

A sequence classifier has one output for a whole text. Where the text ends is decided as transformers does:
at the last token that is no padding. vLLM takes the last token whatever it is, so trailing padding is left
out: a model whose pad token is its end token was trained without seeing that end.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from omi_core.options import ConfigError
from omi_core.teachers.checkpoint import stated_config
from omi_core.teachers.teacher_options import TeacherOptions

_SEQUENCE, _TOKENS, _STEPS = "ForSequenceClassification", "ForRewardModel", "ForProcessRewardModel"
_KINDS = (_SEQUENCE, _STEPS, _TOKENS)


@dataclass(frozen=True)
class RewardHead:
    """How a model's outputs are read.

    `stepwise`: at the end of each step; `pooled`: one output for the text, else the last of its tokens.
    `label` is the output that is the score. `padding` is left out at the end of a text, `last` put there.
    """

    stepwise: bool
    pooled: bool
    label: int
    padding: int | None = None
    last: int | None = None


def read_head(teacher: TeacherOptions, stated: Mapping[str, Any] | None = None) -> RewardHead | None:
    """The head of a model by its config.json, or by what is `stated`; None where that is not at hand.

    Raises:
        ConfigError: it is no reward model, or has several outputs and none is chosen.
    """
    config = stated_config(teacher) if stated is None else stated
    if not config:
        return None
    model = f"teacher.model={teacher.model}"
    name = next(iter(config.get("architectures") or ["no architecture"]))
    kind = next((kind for kind in _KINDS if name.endswith(kind)), None)
    if kind is None:
        raise ConfigError(
            f"{model}: {name} gives no scores; give a model {', '.join(f'…{k}' for k in _KINDS)}"
        )
    # Transformers writes the labels down unless there are two, its own default.
    outputs = len(config.get("id2label") or (0, 1)) if kind == _SEQUENCE else 1 if kind == _TOKENS else 2
    label = teacher.reward.label
    if label is None:
        if outputs > 1 and kind != _STEPS:
            raise ConfigError(
                f"{model}: has {outputs} outputs; say which is the score, teacher.reward.label=N"
            )
        label = outputs - 1
    if label >= outputs:
        raise ConfigError(f"teacher.reward.label={label}: {teacher.model} has {outputs} outputs, from 0")
    sequence = kind == _SEQUENCE
    padding = config.get("pad_token_id") if sequence else None
    return RewardHead(kind == _STEPS, sequence, label, padding, config.get("reward_token_id"))


def step_token(teacher: TeacherOptions, tokenizer: Any) -> int:
    """The token that stands after each step. Raises ConfigError: the tokenizer does not have it as one."""
    found = tokenizer.convert_tokens_to_ids(teacher.reward.step_end)
    if not isinstance(found, int) or found == getattr(tokenizer, "unk_token_id", None):
        raise ConfigError(
            f"teacher.reward.step_end={teacher.reward.step_end}: no token of {teacher.model}; give the one "
            "that it was trained with"
        )
    return found
