"""What is asked of vLLM's workers: this class is mixed into theirs, in their processes."""

from __future__ import annotations

import sys

EXTENSION = f"{__name__}.AskedWorker"
# Where vLLM keeps the switch: from 0.27 on, and before.
PLACES = (
    "vllm.model_executor.determinism.batch_invariant",
    "vllm.model_executor.layers.batch_invariant",
)


class AskedWorker:
    """Methods that `LLMEngine.collective_rpc` may call by name."""

    def omi_batch_invariant(self) -> bool:
        """Whether batch-invariant kernels were switched on here: the variable alone does not do it."""
        modules = [sys.modules.get(name) for name in PLACES]
        return any(getattr(module, "_batch_invariant_MODE", False) for module in modules)
