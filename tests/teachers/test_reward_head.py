"""Where the outputs of a reward model are read, told from its config.json before it is loaded."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import orjson
import pytest

from omi_core.config import TeacherOptions
from omi_core.options import ConfigError
from omi_core.teachers.reward_head import RewardHead, read_head, step_token
from omi_core.teachers.teacher_options import Reward

ONE: dict[str, Any] = {"id2label": {"0": "LABEL_0"}}
FIVE: dict[str, Any] = {"id2label": {str(number): "" for number in range(5)}}


def of(architecture: str, label: int | None = None, **stated: Any) -> RewardHead | None:
    teacher = TeacherOptions(kind="reward", model="m", reward=Reward(label=label))
    return read_head(teacher, {"architectures": [architecture], **stated})


@pytest.mark.parametrize(
    ("found", "head"),
    [
        (of("LlamaForSequenceClassification", **ONE), RewardHead(False, True, 0)),
        (of("Qwen2ForSequenceClassification", pad_token_id=7, **ONE), RewardHead(False, True, 0, 7)),
        (of("Qwen2ForSequenceClassification", label=1), RewardHead(False, True, 1)),
        (of("Qwen2ForSequenceClassification", label=4, **FIVE), RewardHead(False, True, 4)),
        (of("Qwen2ForRewardModel", pad_token_id=7), RewardHead(False, False, 0)),
        (of("InternLM2ForRewardModel", reward_token_id=9), RewardHead(False, False, 0, None, 9)),
        (of("Qwen2ForProcessRewardModel"), RewardHead(True, False, 1)),
        (of("Qwen2ForProcessRewardModel", label=0), RewardHead(True, False, 0)),
    ],
)
def test_the_head_of_each_kind_of_model(found: RewardHead | None, head: RewardHead) -> None:
    assert found == head


@pytest.mark.parametrize(
    ("architecture", "label", "stated", "why"),
    [
        ("LlamaForCausalLM", None, {}, "LlamaForCausalLM gives no scores; give a model"),
        ("BertModel", None, {}, "BertModel gives no scores"),
        ("LlamaForSequenceClassification", None, {}, "has 2 outputs; say which is the score, teacher.reward"),
        ("LlamaForSequenceClassification", None, FIVE, "has 5 outputs; say which"),
        ("LlamaForSequenceClassification", 1, ONE, "teacher.reward.label=1: m has 1 outputs, from 0"),
        ("Qwen2ForProcessRewardModel", 2, {}, "teacher.reward.label=2: m has 2 outputs"),
    ],
)  # fmt: skip
def test_a_model_that_has_no_one_score_is_refused(
    architecture: str, label: int | None, stated: dict[str, Any], why: str
) -> None:
    with pytest.raises(ConfigError, match=why) as caught:
        of(architecture, label, **stated)
    assert "\n" not in str(caught.value)


def test_the_config_is_read_where_the_model_lies(tmp_path: Path) -> None:
    teacher = TeacherOptions(kind="reward", model=str(tmp_path))
    assert read_head(teacher) is None
    (tmp_path / "config.json").write_bytes(orjson.dumps({"architectures": ["Qwen2ForRewardModel"]}))
    assert read_head(teacher) == RewardHead(False, False, 0)


def test_the_end_of_a_step_has_to_be_a_token_of_the_model() -> None:
    teacher = TeacherOptions(kind="reward", model="m")
    known: Any = SimpleNamespace(convert_tokens_to_ids={"<extra_0>": 5}.get, unk_token_id=0)
    assert step_token(teacher, known) == 5
    for answer in (0, None):
        other: Any = SimpleNamespace(
            convert_tokens_to_ids=lambda token, answer=answer: answer, unk_token_id=0
        )
        with pytest.raises(
            ConfigError, match="teacher.reward.step_end=<extra_0>: no token of m; give the one"
        ):
            step_token(teacher, other)
