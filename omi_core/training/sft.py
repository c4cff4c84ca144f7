"""Learning the replies of chat data: TRL's SFTTrainer, as a stage has it."""

from __future__ import annotations

from typing import Any

from trl.trainer.sft_config import SFTConfig
from trl.trainer.sft_trainer import SFTTrainer

from omi_core.training.curves import CurveFile
from omi_core.training.stage_trainer import StageTrainer, StageWork, common_arguments


class ReplyTrainer(StageTrainer, SFTTrainer):
    """The loss is the mean over all tokens of a step's replies."""

    accuracy_logged = "mean_token_accuracy"

    def __init__(self, work: StageWork, curve: CurveFile, **given: Any) -> None:
        super().__init__(work, curve, args=trainer_arguments(work), **given)
        self._total_train_tokens = curve.tokens()  # TRL begins at 0 again


def trainer_arguments(work: StageWork) -> SFTConfig:
    """What TRL is told of a stage. Raises ValueError: its batch does not divide over the processes."""
    return SFTConfig(
        **common_arguments(work),
        max_length=None,
        packing=False,
        padding_free=work.settings.packing,
        dataset_kwargs={"skip_prepare_dataset": True},
    )
