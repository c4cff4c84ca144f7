"""A model of one's own: what its files say is taken, shown or refused before anything starts."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import orjson
import pytest

from omi_core.config import Generate, load_generate
from omi_core.options import ConfigError
from omi_core.stages.planning import generate_content, plan_generate
from omi_core.stages.run import open_to_continue
from omi_core.store.fingerprint import fingerprint
from omi_core.store.layout import Layout
from omi_core.teachers import checkpoint, vllm_sampling
from omi_core.teachers.checkpoint import name_of_model, own_context
from omi_core.teachers.models import model_path
from tests.conftest import Here

WORDS = ("generate", "teacher=model", "prompt=tiny", "data.size=3", "samples=2", "filters.max_tokens=null")


@pytest.fixture
def model(tmp_path: Path) -> Path:
    """A model in a directory, as anybody's own."""
    return Path(shutil.copytree(model_path("embedded:strong"), tmp_path / "My-Model-1B"))


@pytest.fixture
def adapter(tmp_path: Path) -> Path:
    path = tmp_path / "adapter"
    path.mkdir()
    (path / "adapter_config.json").write_text('{"r": 4}')
    return path


def states(model: Path, file: str, **fields: Any) -> None:
    path = model / file
    path.write_bytes(orjson.dumps(orjson.loads(path.read_bytes()) | fields))


def config(model: Path, **values: Any) -> Generate:
    teacher = {"name": "", "model": str(model), "max_model_len": None} | values.pop("teacher", {})
    base = {"teacher": teacher, "prompt": {"name": "tiny"}, "filters": {"max_tokens": None}}
    return load_generate(base | values)


@pytest.mark.parametrize(
    ("model", "name"),
    [
        ("Qwen/Qwen2.5-0.5B-Instruct", "Qwen2.5-0.5B-Instruct"),
        ("/models/SmolLM2 135M/", "SmolLM2_135M"),
        ("/hub/models--Qwen--Qwen3-8B/snapshots/0a1b2c", "Qwen3-8B"),
        ("./here", "here"),
    ],
)
def test_a_teacher_without_a_name_has_that_of_its_model(model: str, name: str) -> None:
    assert name_of_model(model) == name
    assert load_generate({"teacher": {"name": "", "model": model}}).teacher.name == name


def test_a_model_is_planned_with_the_prompt_and_the_sampling_of_the_task(here: Here, model: Path) -> None:
    code, out, err = here("generate", "teacher=model", f"teacher.model={model}", "data.size=3", "plan=true")
    assert (code, err) == (0, "")
    assert "/solutions-demo-My-Model-1B-" in out
    assert "== prompt, chat\n[system]\nYou solve mathematics problems. Write a short" in out


@pytest.mark.parametrize("teacher", ["tiny", "tiny_weak"])
def test_the_model_of_an_embedded_teacher_is_not_replaced_alone(
    here: Here, model: Path, teacher: str
) -> None:
    code, out, err = here("generate", f"teacher={teacher}", f"teacher.model={model}", "plan=true")
    assert (code, out, err.count("\n")) == (2, "", 1)
    assert err.rstrip().endswith(f"type teacher=model teacher.model={model}")


def gguf(model: Path) -> list[str]:
    (model / "x.gguf").write_bytes(b"GGUF")
    return [f"teacher.model={model / 'x.gguf'}"]


def only_gguf(model: Path) -> list[str]:
    (model / "config.json").rename(model / "m.gguf")
    return []


def larger_tokenizer(model: Path) -> list[str]:
    states(model, "config.json", vocab_size=100)
    return []


def broken_tokenizer(model: Path) -> list[str]:
    (model / "tokenizer.json").write_text('{"version": "1.0", ')
    return []


def broken_config(model: Path) -> list[str]:
    (model / "config.json").write_text("{")
    return []


def broken_template(model: Path) -> list[str]:
    (model / "mine.jinja").write_text("{{ raise_exception('not so') }}")
    return [f"teacher.chat_template={model}/mine.jinja"]


def rank_of(rank: Any) -> Any:
    def made(model: Path) -> list[str]:
        (model / "adapter_config.json").write_bytes(orjson.dumps({"r": rank}))
        return [f"teacher.lora={model}"]

    return made


@pytest.mark.parametrize(
    ("made", "words"),
    [
        pytest.param(lambda model: ["teacher.model=''"], "teacher.model: missing; give a hub id", id="none"),
        pytest.param(lambda model: ["teacher.model=/no/such"], "no such directory", id="no directory"),
        pytest.param(gguf, "a file; give a directory that holds config.json", id="a GGUF file"),
        pytest.param(only_gguf, "has no config.json; give the directory of a model; m.gguf", id="GGUF alone"),
        pytest.param(broken_config, "config.json: not JSON", id="broken config.json"),
        pytest.param(
            lambda model: ["teacher.max_model_len=4096"],
            "teacher.max_model_len=4096: the context of ",
            id="context",
        ),
        pytest.param(larger_tokenizer, "its tokenizer has 512 tokens, the model knows 100", id="tokenizer"),
        pytest.param(broken_tokenizer, "is not a tokenizer.json", id="broken tokenizer"),
        pytest.param(broken_template, "teacher.chat_template=", id="template that fails"),
        pytest.param(
            lambda model: ["teacher.chat_template=no.jinja"],
            "teacher.chat_template=no.jinja: cannot be read: No such file",
            id="no template",
        ),
        pytest.param(
            lambda model: [f"teacher.lora={model}"], "has no adapter_config.json; give", id="no adapter"
        ),
        pytest.param(rank_of(1000), "its rank is over 512", id="rank of an adapter"),
        pytest.param(rank_of("x"), "states no rank 'r'", id="no rank of an adapter"),
        pytest.param(
            lambda model: ["sampling.extra={min_tokns: 3}"],
            "sampling.extra.min_tokns: no field of vLLM's SamplingParams (did you mean min_tokens?)",
            id="extra",
        ),
        pytest.param(
            lambda model: ["sampling.extra={top_p: 3}"],
            "sampling.extra.top_p: has an option of its own, sampling.top_p",
            id="extra that is an option",
        ),
        pytest.param(
            lambda model: ["sampling.extra={seed: 3}"],
            "sampling.extra.seed: is set by the suite itself; omit it",
            id="extra that is ours",
        ),
    ],
)
def test_what_cannot_run_is_told_in_one_line_before_anything_is_made(
    here: Here, tmp_path: Path, model: Path, monkeypatch: pytest.MonkeyPatch, made: Any, words: str
) -> None:
    monkeypatch.setattr(vllm_sampling, "find_spec", lambda name: None)  # importing vLLM takes seconds
    code, out, err = here(*WORDS, f"teacher.model={model}", *made(model), "run.dir=run")
    assert (code, err.count("\n")) == (2, 1), err
    assert words in err
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize(
    ("fields", "context"),
    [
        ({"max_position_embeddings": 4096}, 4096),
        ({"max_position_embeddings": 131072, "rope_scaling": {"rope_type": "llama3", "factor": 8}}, 131072),
        ({"text_config": {"max_position_embeddings": 32768}}, 32768),
        ({"max_position_embeddings": 4096, "rope_scaling": {"type": "linear", "factor": 4.0}}, None),
        ({"model_type": "x"}, None),
    ],
)
def test_the_context_of_a_model_is_told_where_it_is_stated_plainly(
    model: Path, fields: dict[str, Any], context: int | None
) -> None:
    (model / "config.json").write_bytes(orjson.dumps(fields))
    assert own_context(config(model).teacher) == context


RECOMMENDED = {"temperature": 0.6, "top_p": 0.9, "top_k": 20, "repetition_penalty": 1.1, "max_new_tokens": 7}


def test_what_the_model_recommends_is_shown_and_not_applied(here: Here, model: Path) -> None:
    states(model, "generation_config.json", **RECOMMENDED)
    words = (*WORDS, f"teacher.model={model}", "plan=true")
    _, out, _ = here(*words)
    assert (
        "sampling   temperature 1, top_p 0.95, top_k 0, repetition_penalty 1; the model recommends "
        "temperature 0.6, top_p 0.9, top_k 20, repetition_penalty 1.1, which sampling.from_model=true takes"
    ) in out
    assert "recommends" not in here(*words, "sampling.from_model=true")[1]


def test_the_recommended_sampling_is_the_same_run_as_its_values_typed(model: Path) -> None:
    plain = generate_content(config(model))
    states(model, "generation_config.json", **RECOMMENDED)
    values = {name: value for name, value in RECOMMENDED.items() if name != "max_new_tokens"}
    taken, typed = config(model, sampling={"from_model": True}), config(model, sampling=values)
    assert fingerprint(generate_content(taken)) == fingerprint(generate_content(typed))
    assert generate_content(taken)["sampling"] != plain["sampling"]
    assert (taken.sampling.top_k, taken.sampling.max_tokens) == (20, 2048)


def test_a_model_that_recommends_to_be_greedy_gives_one_sample(model: Path) -> None:
    states(model, "generation_config.json", do_sample=False)
    with pytest.raises(ConfigError, match=r"^samples=8: with sampling\.temperature=0 all samples"):
        generate_content(config(model, sampling={"from_model": True}))
    assert generate_content(config(model, samples=1, sampling={"from_model": True}))


def test_adapters_and_templates_are_told_apart_by_what_is_in_them(
    tmp_path: Path, model: Path, adapter: Path
) -> None:
    template = tmp_path / "t.jinja"
    template.write_text("{% for m in messages %}{{ m.content }}{% endfor %}")

    def made() -> str:
        teacher = {"lora": str(adapter), "chat_template": str(template)}
        return fingerprint(generate_content(config(model, teacher=teacher)))

    first = made()
    adapter, template = adapter.rename(tmp_path / "a2"), template.rename(tmp_path / "t2.jinja")
    assert made() == first
    template.write_text("{% for m in messages %}{{ m.content }}\n{% endfor %}")
    second = made()
    (adapter / "adapter_config.json").write_text('{"r": 8}')
    assert len({first, second, made()}) == 3


def test_a_run_with_an_adapter_and_a_template_can_be_continued(
    tmp_path: Path, model: Path, adapter: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("t.jinja").write_text("{% for m in messages %}{{ m.content }}{% endfor %}")
    teacher = {"lora": "adapter", "chat_template": "t.jinja"}
    plan_generate(config(model, teacher=teacher, run={"dir": "run"}, sampling={"from_model": True}))
    found = open_to_continue(Layout(Path("run"))).config
    assert (found.teacher.lora, found.teacher.chat_template) == (str(adapter), str(tmp_path / "t.jinja"))


@pytest.mark.parametrize("words", [{"top_p": 0.95}, {"top_p": 1.0, "top_k": 5}, {"top_p": 1.0}])
@pytest.mark.parametrize("cpu", [True, False])
def test_the_plan_says_what_a_cut_vocabulary_costs_on_a_cpu(
    here: Here, model: Path, monkeypatch: pytest.MonkeyPatch, words: dict[str, Any], cpu: bool
) -> None:
    def version(name: str) -> str:
        if cpu or name == "vllm":
            return "0.32.0"
        raise checkpoint.PackageNotFoundError

    monkeypatch.setattr(checkpoint, "version", version)
    sampling = [f"sampling.{name}={value}" for name, value in words.items()]
    _, out, _ = here(*WORDS, f"teacher.model={model}", "plan=true", *sampling)
    assert ("sort the vocabulary" in out) == (cpu and words != {"top_p": 1.0})


@pytest.mark.parametrize(
    ("flags", "dtype", "said"),
    [
        ("flags : avx2", "auto", True),
        ("flags : avx2", "float32", False),
        ("flags : avx2 avx512_bf16", "auto", False),
        ("Features : asimd", "auto", False),
    ],
)
def test_the_plan_says_where_a_cpu_is_slow_with_the_precision_of_the_model(
    here: Here,
    tmp_path: Path,
    model: Path,
    monkeypatch: pytest.MonkeyPatch,
    flags: str,
    dtype: str,
    said: bool,
) -> None:
    (tmp_path / "cpuinfo").write_text(flags)
    monkeypatch.setattr(checkpoint, "version", lambda name: "0.32.0")
    monkeypatch.setattr(checkpoint, "_CPU", tmp_path / "cpuinfo")
    _, out, _ = here(*WORDS, f"teacher.model={model}", "plan=true", f"teacher.dtype={dtype}")
    assert ("no instructions for bfloat16" in out) == said
