"""Carries out a stage of a training, from its last whole checkpoint on."""

from __future__ import annotations

import os
import shutil
from typing import Any

from datasets import Dataset
from transformers import PreTrainedModel

from omi_core.training.checkpoints import SAVING, last_checkpoint
from omi_core.training.curves import CurveFile
from omi_core.training.reward_trainer import RewardTrainer
from omi_core.training.sft import ReplyTrainer
from omi_core.training.stage_trainer import StageWork


def run_stage(work: StageWork, model: PreTrainedModel, tokenizer: Any) -> bool:
    """Trains the model from the stage's last whole checkpoint on; True when all steps are done.

    Raises:
        ValueError: the rows of a step do not divide over the processes.
    """
    last = last_checkpoint(work.folder)
    if last is not None and last.step >= work.steps:
        return True
    curve = CurveFile(work.folder)
    if os.environ.get("RANK", "0") == "0":
        shutil.rmtree(work.folder / SAVING, ignore_errors=True)
        curve.cut(last.step if last else 0)
    learns = RewardTrainer if work.settings.scores_responses else ReplyTrainer
    trainer = learns(
        work,
        curve,
        model=model,
        train_dataset=Dataset.from_file(str(work.examples)),
        processing_class=tokenizer,
    )
    trainer.train(resume_from_checkpoint=str(last.path) if last else None)
    return trainer.state.global_step >= work.steps
