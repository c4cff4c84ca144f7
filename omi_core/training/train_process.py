"""One process of a training on Slurm, started by the launcher of its node.

python -m omi_core.training.train_process DIR
"""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import Any

from omi_core.stages.stopping import Stop, handling
from omi_core.training.launching import STOP_FILE
from omi_core.training.teaching import carry_out_stages
from omi_core.training.training_run import open_training


def main(root: str) -> int:
    """Trains until all is done, or until this process or another one is asked to stop; the exit code."""
    stop = Stop()

    def asked(number: int, frame: Any) -> None:
        stop.ask(number)  # a second one, too: Slurm and the launcher may both send it

    with handling(asked):
        file = Path(os.environ.get(STOP_FILE, "/nonexistent"))
        try:
            carry_out_stages(open_training(Path(root)), lambda: stop.asked() or file.exists())
        except ValueError as error:
            print(f"failed: {' '.join(str(error).split())}", file=sys.stderr, flush=True)
            return 1
        import torch

        if torch.distributed.is_initialized():
            torch.distributed.destroy_process_group()
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))
