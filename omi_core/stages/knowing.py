"""What is known of a teacher before it runs: mistakes that its files show, its own sampling, its identity."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from omi_core import config as schema
from omi_core import options
from omi_core.config import Generate, TeacherOptions
from omi_core.options import ConfigError
from omi_core.records import digest128
from omi_core.store.fingerprint import directory_digest
from omi_core.tasks.prompting import Prompting
from omi_core.teachers.address import SERVER_DEFAULTS, check_endpoint
from omi_core.teachers.checkpoint import (
    calculates_bfloat16,
    check_checkpoint,
    recommended,
    runs_on_cpu,
    vocabulary_size,
)
from omi_core.teachers.models import local_directory, read_template
from omi_core.teachers.reward_head import read_head, step_token
from omi_core.teachers.teacher_options import LOADED, REWARD
from omi_core.teachers.thinking import check_reasoning
from omi_core.teachers.vllm_sampling import check_extra
from omi_core.text.tokens import TokenCounter


def check_teacher(config: Generate, prompting: Prompting) -> None:
    """Raises ConfigError when the teacher cannot be had as it is described, as far as can be told here."""
    teacher = config.teacher
    check_extra(config.sampling)
    read_template(teacher)
    if teacher.kind == "endpoint":
        check_endpoint(config.teacher, config.cluster)
    elif teacher.kind in LOADED:
        check_checkpoint(teacher, config.engine)
        if teacher.kind == REWARD:
            read_head(teacher)
        else:
            check_reasoning(teacher, config.sampling)
        if local_directory(teacher.model) is not None and not teacher.model.startswith("embedded:"):
            _check_prompts(teacher, prompting)


def _check_prompts(teacher: TeacherOptions, prompting: Prompting) -> None:
    """Says how the prompts are made where that is not the plain way.

    Raises:
        ConfigError: the chat template takes none of the run's prompts, or the tokenizer is another model's.
    """
    from transformers import AutoTokenizer

    from omi_core.teachers.chat_prompt import ChatPrompt, TemplateFailed

    model = f"teacher.model={teacher.model}"
    tokenizer_json = Path(teacher.model) / "tokenizer.json"
    try:
        if tokenizer_json.is_file():
            TokenCounter(str(tokenizer_json), model)
    except ValueError as error:
        raise ConfigError(f"{error}; put the model's own there") from None
    try:
        tokenizer = AutoTokenizer.from_pretrained(teacher.model, local_files_only=True)
    except Exception:  # of many kinds; an engine that knows a tokenizer unknown here will tell
        return
    known = vocabulary_size(teacher)
    if known is not None and tokenizer.vocab_size > known:
        raise ConfigError(
            f"{model}: its tokenizer has {tokenizer.vocab_size} tokens, the model knows {known}; put the "
            "model's own tokenizer there"
        )
    if prompting.plain:
        return
    chat = ChatPrompt(tokenizer, read_template(teacher), teacher.chat_template_kwargs)
    head = read_head(teacher) if teacher.kind == REWARD else None
    end = step_token(teacher, tokenizer) if head is not None and head.stepwise else None
    try:
        for messages in prompting.probes():
            chat.tokens(messages) if end is None else chat.stepped(messages, end)
    except TemplateFailed as error:
        where = f"teacher.chat_template={teacher.chat_template}" if teacher.chat_template else model
        raise ConfigError(
            f"{where}: {error}; fix it, give another as teacher.chat_template=FILE, or try prompt.examples=0"
        ) from error
    if (note := chat.note()) is not None:
        print(f"{model}: {note}", file=sys.stderr, flush=True)


def settle_sampling(config: Generate, prompting: Prompting) -> None:
    """Puts the model's own sampling, where it is asked for, and the prompt's stop strings into the config."""
    sampling = config.sampling
    if sampling.from_model:
        if config.teacher.kind != "vllm":
            raise ConfigError("sampling.from_model: only of a model that vLLM runs here; omit it")
        for name, value in recommended(config.teacher, fetch=True).items():
            setattr(sampling, name, type(getattr(sampling, name))(value))
        options.check(config)
        schema.check_temperature(config)
    sampling.stop = prompting.stops(sampling.stop)


def sampled(config: Generate) -> Iterator[tuple[str, str]]:
    """(NAME, words) lines on how samples are drawn, beside what the model recommends and what it costs."""
    teacher, sampling = config.teacher, config.sampling
    if teacher.kind == "endpoint":
        yield "sampling", f"{SERVER_DEFAULTS} (teacher.endpoint.extra)"
    if teacher.kind != "vllm":
        return
    if (stated := recommended(teacher)) and not sampling.from_model:
        used = {name: getattr(sampling, name) for name in stated}
        if used != stated:
            words = f"{_listed(used)}; the model recommends {_listed(stated)}"
            yield "sampling", f"{words}, which sampling.from_model=true takes"
    slow = runs_on_cpu() and not teacher.model.startswith("embedded:")
    if slow and teacher.dtype in ("auto", "bfloat16") and not calculates_bfloat16():
        yield (
            "on a CPU",
            "this one has no instructions for bfloat16; try teacher.dtype=float32",
        )
    cut = [name for name, all_of_it in (("top_p", 1), ("top_k", 0)) if getattr(sampling, name) != all_of_it]
    if cut and slow:
        yield (
            "on a CPU",
            f"{' and '.join(cut)} sort the vocabulary for every token, up to half of the time; "
            "sampling.top_p=1 sampling.top_k=0 sampling.min_p=0.05 does not",
        )


def _listed(values: Mapping[str, Any]) -> str:
    return ", ".join(f"{name} {value:g}" for name, value in values.items())


def name_weights(teacher: TeacherOptions, content: dict[str, Any]) -> None:
    """What tells models of one name apart: a local checkpoint's files; and whether a server answers.

    Adapters and templates are told apart by what is in them, not by where they lie.
    """
    if teacher.lora is not None:
        content["lora"] = directory_digest(Path(teacher.lora))
    if (template := read_template(teacher)) is not None:
        content["chat_template"] = digest128("template", template)
    if teacher.kind == "endpoint":
        content["weights"] = "those of a server"
        return
    del content["endpoint"]
    directory = local_directory(teacher.model) if teacher.kind in LOADED else None
    content["weights"] = directory_digest(directory) if directory else None
    if directory and not teacher.model.startswith("embedded:"):
        content["model"] = "local"  # where it lies does not matter, its weights do
