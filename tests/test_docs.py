"""What README, docs and docstrings say is so: commands and code run, links resolve, nothing is left out.

Commands run in order, page by page, in a directory that holds nothing but stand-ins for the files they name.
Where one has no `teacher=` it would start vLLM; that path is tested in `tests/jobs/test_vllm.py`, so here the
rehearsal takes its place.
"""

from __future__ import annotations

import ast
import importlib.util
import os
import re
import shlex
import shutil
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import fields
from importlib import import_module
from pathlib import Path
from types import ModuleType
from typing import Any, get_type_hints

import numpy as np
import orjson
import polars as pl
import pytest
import yaml
from omegaconf import OmegaConf

from omi_core import options
from omi_core.answers import Policy
from omi_core.checks.check_options import load_check
from omi_core.commands import shell
from omi_core.composing.command_line import Takes, read
from omi_core.composing.compose import compose_cells, compose_values
from omi_core.config import Generate, Reduce, load_generate
from omi_core.options import leaves
from omi_core.pipeline import composing
from omi_core.publish import SCHEMAS
from omi_core.score_options import load_score
from omi_core.slurm.retry_policy import Cause
from omi_core.slurm.script import check_cluster
from omi_core.store import ledger
from omi_core.teachers.tiny import world
from omi_core.training.train_options import Train, load_train
from tests.conftest import Here

ROOT = Path(__file__).resolve().parents[1]
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]
# Their commands take long, and run the recipe that other tests run again and again.
SLOW = (
    "tune",
    "tutorial-recipe.md",
    "pipeline",
    "train.md",
    "train",
    "dataset.md",
    "pipeline.md",
    "combine.md",
    "selections.md",
    "dialogues.md",
    "reward-data.md",
    "scores.md",
    "decontaminate.md",
    "prompts.md",
    "tutorial-first.md",
)
COMMANDS = [path.stem for path in sorted((ROOT / "jobs").glob("*.py")) if not path.stem.startswith("_")]
TARGETS = set(re.findall(r"^([a-z]+):", (ROOT / "Makefile").read_text(), flags=re.M))
_BLOCK = re.compile(r"^```(\w*)\n(.*?)^```$", re.M | re.S)


def blocks(page: Path) -> list[tuple[str, str]]:
    """(language, text) of every fenced block of a page."""
    return _BLOCK.findall(page.read_text(encoding="utf-8"))


def lines(text: str) -> Iterator[list[str]]:
    """The words of every command line in `text`, comments left out."""
    for line in text.replace("\\\n", " ").splitlines():
        if words := shlex.split(line, comments=True):
            yield words


@pytest.fixture
def stand_ins(tmp_path: Path) -> None:
    """The files that the pages name, made from problems of the demo's world."""
    problems = world.draw(seed=5, count=12)

    def write(name: str, rows: list[dict[str, Any]]) -> None:
        path = tmp_path / name
        path.parent.mkdir(exist_ok=True)
        if name.endswith(".parquet"):
            pl.DataFrame(rows).write_parquet(path)
        else:
            path.write_bytes(b"".join(orjson.dumps(row) + b"\n" for row in rows))

    # One file stands in for GSM8K (question, answer) and MATH (problem, solution).
    train = [
        {"question": p.text, "answer": f"So.\n#### {p.answer}", "problem": p.text, "solution": p.solution}
        for p in problems
    ]
    write("train.jsonl", train)
    write("my.parquet", [{"question": p.text} for p in problems])
    write("samples.jsonl", [{"problem": p.text, "generated_solution": p.solution} for p in problems])
    graded = [row | {"generated_solution": row["solution"]} for row in train]
    write("graded.jsonl", graded)
    write("lines.jsonl", [{"problem": p.text, "generated_solution": f"So.\nA: {p.answer}"} for p in problems])
    write("problems.jsonl", [{"problem": p.text} for p in problems])
    write("gsm8k_test.jsonl", [{"question": p.text} for p in problems[:3]])
    write("math_test.jsonl", [{"problem": p.text.upper()} for p in problems[2:4]])
    write("web.parquet", [{"text": p.text, "url": "http://x", "metadata": "{}"} for p in problems])
    for name in ("math", "code", "general"):
        said = [("user", f"{name}?"), ("assistant", "Yes.")]
        messages = [{"role": role, "content": text} for role, text in said]
        write(f"{name}_chat.jsonl", [{"messages": messages}] * 200)
    (tmp_path / "omi/mixture").mkdir(parents=True)
    mixture = re.search(r"^```yaml\n(# @package.*?)```$", page("combine.md"), re.M | re.S)
    assert mixture is not None
    (tmp_path / "omi/mixture/stage2.yaml").write_text(mixture[1])
    shutil.copy(Path(world.__file__).parent / "strong/tokenizer.json", tmp_path)
    for name, text in re.findall(r"(?ms)^```yaml\n# (\w+\.yaml)\n(.*?)^```$", page("prompts.md")):
        (tmp_path / name).write_text(text)
    for number in range(2):
        write(f"out/{number}.parquet", [{"question": p.text, "responses": [p.solution]} for p in problems])


def run_command(here: Here, words: list[str]) -> None:
    """Runs one `python -m jobs.<command> …`; of a `make TARGET`, the commands in its recipe."""
    if words[0] == "make":
        assert set(words[1:]) <= TARGETS
        for target in words[1:]:
            recipe = re.search(rf"^{target}:.*\n((?:\t.*\n)+)", (ROOT / "Makefile").read_text(), re.M)
            for line in recipe[1].splitlines() if recipe else ():
                if "-m jobs." in line:
                    run_command(here, ["python", *shlex.split(line)[1:]])
        return
    assert words[:2] == ["python", "-m"], f"neither make nor python -m: {words}"
    command = words[2].removeprefix("jobs.")
    assert command in COMMANDS
    arguments = words[3:]
    if command == "generate" and not any(word.startswith(("teacher=", "--help")) for word in arguments):
        arguments.append("teacher=rehearsal")
    if command in ("generate", "evaluate", "reduce") and "plan=true" not in arguments:
        arguments.append("cluster.workers=1")  # the machine of a test has little to gain from more
    code, out, err = here(command, *arguments)
    assert code == 0, f"{shlex.join(words)}: {err}"
    assert out


def check_command(words: list[str]) -> None:
    """Checks a command that is only shown: its config composes, or its options are known."""
    assert words[:2] == ["python", "-m"], f"not python -m: {words}"
    command, arguments = words[2].removeprefix("jobs."), words[3:]
    if command == "generate":
        for values in compose_cells(command, read(command, arguments, Takes(sweep=True, folder=True))):
            check_cluster(load_generate(values).cluster)
    elif command == "check":
        for values in compose_cells(command, read(command, arguments, Takes(folder=True))):
            check_cluster(load_check(values).generate.cluster)
    else:
        schema = get_type_hints(import_module(f"jobs.{command}").main)["config"]
        values, runs = shell.parse(command, schema, arguments)
        options.load(schema, values)
        assert len(runs) == 1


class Letters:
    """Stands in for a sentence-transformers model, which takes its time to load: counts letters."""

    def __init__(self, name: str) -> None:
        pass

    def encode(self, sentences: list[str], **options: Any) -> np.ndarray:
        return np.array([[text.count(chr(97 + at)) for at in range(26)] for text in sentences], dtype=float)


@pytest.fixture
def embedding_model(monkeypatch: pytest.MonkeyPatch) -> None:
    package = ModuleType("sentence_transformers")
    monkeypatch.setattr(package, "SentenceTransformer", Letters, raising=False)
    monkeypatch.setitem(sys.modules, "sentence_transformers", package)


@pytest.mark.parametrize(
    "page",
    [
        pytest.param(page, id=page.name, marks=pytest.mark.slow if page.name in SLOW else ())
        for page in PAGES
        if {"bash", "python"} & {language for language, _ in blocks(page)}
    ],
)
@pytest.mark.usefixtures("stand_ins", "embedding_model")
def test_commands_and_code_of_a_page_run_in_order(here: Here, tmp_path: Path, page: Path) -> None:
    ran = 0
    for language, text in blocks(page):
        if language == "bash":
            for words in lines(text):
                run_command(here, words)
                ran += 1
        elif language == "python":
            # In a process of its own: where the datasets library caches is settled when it is imported.
            offline = os.environ | {"HF_HUB_OFFLINE": "1", "HF_HOME": str(tmp_path / "cache")}
            done = subprocess.run(
                [sys.executable, "-c", text], cwd=tmp_path, env=offline, capture_output=True, text=True
            )
            assert done.returncode == 0, done.stderr
            ran += 1
    assert ran


def make_run(here: Here, root: Path, command: str) -> None:
    """The run that commands look at, as it was made here; for logs with some of jobs that have ended."""
    assert here("generate", "teacher=rehearsal", "data.size=4", f"run.dir={root}")[0] == 0
    if command == "logs":
        (root / "logs").mkdir()
        for job, stage in (("7", "generate"), ("8", "reduce")):
            entry = {"stage": stage, "attempt": 1, "job": job, "array": [0, 31, 0], "after": None}
            ledger.append(root / "ledger.jsonl", entry)
            (root / f"logs/{job}_17_0.log").write_text("a line\n")


@pytest.mark.parametrize(
    "command",
    [pytest.param(name, marks=pytest.mark.slow if name in SLOW else ()) for name in COMMANDS],
)
@pytest.mark.usefixtures("stand_ins")
def test_commands_of_a_docstring_run_in_order(here: Here, tmp_path: Path, command: str) -> None:
    if command in ("cancel", "explore", "logs", "resume", "show", "status"):
        make_run(here, tmp_path / "runs/mine", command)
    doc = ast.get_docstring(ast.parse((ROOT / f"jobs/{command}.py").read_text()), clean=False) or ""
    examples = [line.strip() for line in doc.splitlines() if re.match(r" *python -m ", line)]
    assert examples
    for words in lines("\n".join(examples)):
        if command == "check":  # there is no site to check
            check_command(words[:])
        else:
            run_command(here, words)


PROFILE = re.compile(r"^```yaml\n(# .*\n(?:.*\n)*?name: (\w+)\n(?:.*\n)*?)```$", re.M)


def test_commands_that_need_a_cluster_compose_with_the_profiles_shown(tmp_path: Path) -> None:
    (tmp_path / "omi/cluster").mkdir(parents=True)
    for text, name in PROFILE.findall(page("slurm.md")):
        (tmp_path / f"omi/cluster/{name}.yaml").write_text(text)
        values = compose_values("generate", [f"+cluster={name}"], tmp_path / "omi")
        check_cluster(load_generate(values).cluster)
    checked = 0
    for language, text in [*blocks(ROOT / "docs/slurm.md"), *blocks(ROOT / "docs/check.md")]:
        for words in lines(text) if language == "text" and text.startswith("python -m jobs.") else ():
            check_command([word.replace("~/omi", f"{tmp_path}/omi") for word in words])
            checked += 1
    assert checked


def documents() -> list[Path]:
    return [*PAGES, ROOT / "CONTRIBUTING.md"]


@pytest.mark.parametrize("page", documents(), ids=lambda page: page.name)
def test_what_is_only_shown_exists(page: Path) -> None:
    for language, text in blocks(page):
        if language == "python":
            ast.parse(text)
        if language != "text":
            continue
        for words in text.splitlines():
            if words.startswith("make "):
                assert set(shlex.split(words, comments=True)[1:]) <= TARGETS
            for script in re.findall(r"tests/[\w/]+\.py", words):
                known = (ROOT / script).read_text() + (ROOT / "tests/conftest.py").read_text()
                assert all(f'"{option}"' in known for option in re.findall(r"--[a-z-]+", words)), words


@pytest.mark.parametrize("page", documents(), ids=lambda page: page.name)
def test_links_and_paths_resolve(page: Path) -> None:
    text = page.read_text(encoding="utf-8")
    prose = _BLOCK.sub("", text)
    for link in re.findall(r"\]\(([^)#]+)(?:#[^)]*)?\)|src(?:set)?=\"([^\"]+)", prose):
        link = "".join(link)
        if "://" not in link:
            assert (page.parent / link).exists(), link
    for path in re.findall(r"(?<![\w/])(?:tests|omi_core|jobs|hydra_conf)/[\w/]+\.(?:py|yaml|md)", text):
        assert (ROOT / path).exists(), path


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_every_option_that_is_named_exists(page: Path) -> None:
    schemas = (Generate(), Reduce(), Train(), composing.Options())
    known = {key for schema in schemas for key, _, _ in leaves(schema)}
    # What the package on the page adds.
    added = re.findall(r'^\[project.entry-points."omi\.(filters)"\]\n(\w+) = ', page.read_text(), flags=re.M)
    known |= {".".join(found) for found in added}
    if '"omi.teachers"' in page.read_text():
        known.add("teacher.echo.times")
    sections = {key.partition(".")[0] for key in known if "." in key}
    named = re.findall(
        rf"(?<![\w./-])((?:{'|'.join(sections)})(?:\.[a-z_]+)+)(?![\w*./(-])", page.read_text()
    )
    assert {
        name
        for name in named
        if name not in known and not name.endswith((".md", ".jsonl", ".json", ".csv", ".yaml"))
    } == set()


def page(name: str) -> str:
    return (ROOT / "docs" / name).read_text(encoding="utf-8")


def first_cells(text: str) -> list[str]:
    """The first cell of every row of the tables in `text`, where it is code."""
    return re.findall(r"^\| `(.+?)` \|", text, flags=re.M)


def test_the_readme_lists_every_command() -> None:
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    listed = first_cells(text[text.index("## Commands") : text.index("## More")])
    assert sorted(listed) == COMMANDS


def test_a_tutorial_is_short_and_every_page_has_its_place_on_the_site() -> None:
    for tutorial in (ROOT / "docs").glob("tutorial-*.md"):
        assert len(tutorial.read_text(encoding="utf-8").split()) < 1000, tutorial.name
    nav = re.findall(r": ([\w-]+\.md)$", (ROOT / "mkdocs.yml").read_text(encoding="utf-8"), flags=re.M)
    assert sorted(nav) == sorted(["index.md", *(path.name for path in (ROOT / "docs").glob("*.md"))])


def test_figures_of_benchmarks_are_on_one_page() -> None:
    for path in PAGES:
        measured = "tests.bench" in path.read_text(encoding="utf-8")
        assert measured == (path.name == "measurements.md"), path.name


def said(node: ast.AST) -> str | None:
    """A text in the code, with … for what is put in at run time."""
    if isinstance(node, ast.Constant) and isinstance(node.value, str):
        return re.sub(r"\$\w+", "…", node.value)
    if isinstance(node, ast.JoinedStr):
        return "".join(str(part.value) if isinstance(part, ast.Constant) else "…" for part in node.values)
    return None


def code() -> list[ast.AST]:
    files = [path for folder in ("omi_core", "jobs") for path in (ROOT / folder).rglob("*.py")]
    return [node for path in files for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))]


def test_troubleshooting_quotes_errors_as_the_code_says_them() -> None:
    texts = {text for node in code() if (text := said(node))} | {(ROOT / "Makefile").read_text()}
    quoted = first_cells(page("troubleshooting.md"))
    assert len(quoted) > 60
    # Some name the option in a variable of their own.
    texts |= {f"teacher.model={text}" for text in texts if text.startswith("…: ")}
    assert [error for error in quoted if not any(error in text for text in texts)] == []


def test_troubleshooting_has_every_end_of_a_chain() -> None:
    quoted = first_cells(page("troubleshooting.md"))
    ends = [
        text
        for node in code()
        if isinstance(node, ast.Call) and ast.unparse(node.func).endswith(("end_chain", "ChainEnded"))
        for argument in node.args
        if (text := said(argument)) and len(re.findall("[a-z]+", text)) > 2 and "sent again" not in text
    ]
    assert len(ends) >= 4
    assert [end for end in ends if not any(error in end for error in quoted)] == []
    causes = re.findall(r"^\| ([a-z ]+) \|", page("slurm.md"), flags=re.M)
    assert {cause.value for cause in Cause} <= set(causes)


def test_every_column_and_policy_is_documented() -> None:
    dataset, answers = page("dataset.md"), page("answers.md")
    for column in SCHEMAS["solutions"].columns(SCHEMAS["solutions"].optional):
        assert f"| `{column}` |" in dataset
    rows = dict(re.findall(r"^\| `(\w+)` \| `([\w.]+)` \|", answers, flags=re.M))
    assert rows == {field.name: str(getattr(Policy(), field.name)).lower() for field in fields(Policy)}


def test_every_option_of_dialogues_is_documented_with_its_default() -> None:
    row = r"^\| `((?:documents|conversations|variants)\.\w+)` \| (\S+) \|"
    rows = dict(re.findall(row, page("dialogues.md"), flags=re.M))
    rows["conversations.tokenizer"] = "null"  # it stands beside the option that reads it
    assert rows == {
        f"{name}.{key}": "null" if value is None else str(value).lower()
        for name in ("documents", "conversations", "variants")
        for key, value, _ in leaves(getattr(Generate(), name))
    }


def documented(table: str) -> re.Pattern[str]:
    """What the first cells of a table name; in "`a.b`, `.c`" the second is a.c, and capitals are any key."""
    names = []
    for cell in re.findall(r"^\| (`.+?`) \|", table, flags=re.M):
        first, *others = re.findall(r"`([\w.]+)`", cell)
        names += [first, *(first.rpartition(".")[0] + name if name[0] == "." else name for name in others)]
    return re.compile("|".join(re.sub(r"\b[A-Z]+\b", r"\\w+", name.replace(".", r"\.")) for name in names))


def flat(counts: dict[str, Any], prefix: str = "") -> Iterator[str]:
    """Dotted names of all counts."""
    for key, value in counts.items():
        if isinstance(value, dict):
            yield from flat(value, f"{prefix}{key}.")
        else:
            yield f"{prefix}{key}"


def test_every_statistic_of_dialogues_is_documented(here: Here, tmp_path: Path) -> None:
    arguments = [
        "task=dialogues",
        "teacher=rehearsal",
        "variants.longest=true",
        "variants.mix=0.5",
        "run.dir=r",
    ]
    assert here("generate", *arguments, "style=debate,interview", "data.size=20")[0] == 0
    stats = orjson.loads((tmp_path / "r/dataset/stats.json").read_bytes())
    text = page("dataset.md")
    own = text[text.index("## Dialogues, by style") : text.index("## The same samples")]
    known = documented(own + text[text.index("## `stats.json`") : text.index("## Check a dataset")])
    top = {*stats.keys() - {"counts", "styles", "variants"}, "styles.debate", "variants.mix"}
    counts = {f"counts.{key}" for key in stats["counts"] if not isinstance(stats["counts"][key], dict)}
    styles = {f"counts.styles.{style}" for style in stats["counts"]["styles"]}
    assert {name for name in top | counts | styles if not known.fullmatch(name)} == set()
    figures = {key for part in (stats["styles"] | stats["variants"]).values() for key in part}
    assert {key for key in figures if f"`{key}`" not in own} == set()


@pytest.mark.usefixtures("stand_ins")
def test_every_statistic_is_documented(here: Here, tmp_path: Path) -> None:
    arguments = ["teacher=rehearsal", "data.size=60", "samples=4", "answers.min_agreement=0.8", "run.dir=r"]
    arguments += ["publish.splits.small=30", "publish.chat=answer"]
    assert here("generate", *arguments, "cluster.workers=1")[0] == 0
    stats = orjson.loads((tmp_path / "r/dataset/stats.json").read_bytes())
    text = page("dataset.md")
    known = documented(text[text.index("## `stats.json`") : text.index("## Check a dataset")])
    top = {*stats.keys() - {"counts", "splits"}, *(f"splits.{split}" for split in stats["splits"])}
    assert {name for name in [*top, *flat(stats["counts"], "counts.")] if not known.fullmatch(name)} == set()
    assert {key for key in stats["splits"]["small"] if f"`{key}`" not in text} == set()
    for reason in stats["counts"]["selection"]:
        assert f"`counts.selection.{reason}`" in text


@pytest.mark.skipif(importlib.util.find_spec("mkdocs") is None, reason="no mkdocs here (make docs)")
def test_the_site_builds_without_a_warning_and_loads_nothing(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "mkdocs", "build", "--quiet", "--strict", f"--site-dir={tmp_path}"]
    built = subprocess.run(
        command, cwd=ROOT, env=os.environ | {"NO_MKDOCS_2_WARNING": "1"}, capture_output=True, text=True
    )
    assert (built.returncode, built.stdout + built.stderr) == (0, "")
    pages = list(tmp_path.glob("*.html"))
    assert len(pages) > len(PAGES)
    for built_page in pages:
        text = built_page.read_text(encoding="utf-8")
        assert re.findall(r"<(?:script|img|link rel=\"?stylesheet)[^>]* (?:src|href)=\"?https?:", text) == []
        for picture in re.findall(r"(?:src|srcset)=\"?(pictures/[\w.-]+)", text):
            assert (tmp_path / picture).exists(), picture


CHOICES = [
    (path.parent.name, path.stem)
    for path in sorted((ROOT / "hydra_conf").glob("*/*.yaml"))
    if path.parent.name != "recipe"
] + [("+cluster", path.stem) for path in sorted((ROOT / "cluster_profiles/cluster").glob("*.yaml"))]


def holds(actual: Any, expected: Any) -> bool:
    if isinstance(expected, dict):
        return all(holds(actual[key], value) for key, value in expected.items())
    return actual == expected


@pytest.mark.parametrize(("group", "choice"), CHOICES, ids=lambda word: word)
def test_every_choice_composes_into_a_valid_config_and_takes_effect(group: str, choice: str) -> None:
    if choice == "reward":  # it scores, and writes nothing
        values = compose_values("score", ["teacher=reward", "input=run", "model=some/model"])
        load_score(values)
    elif group in ("student", "training"):
        stages = ["data=[a,b,c]"] if choice == "acemath_sft" else ["data=a"]
        values = compose_values("train", [*stages, f"{group}={choice}"])
        load_train(values | {"training": values["training"] | {"learning_rate": 1e-5}})
    else:
        values = compose_values("generate", [f"{group}={choice}"])
        load_generate(values)
    folder = ROOT / ("cluster_profiles/cluster" if group == "+cluster" else f"hydra_conf/{group}")
    text = (folder / f"{choice}.yaml").read_text(encoding="utf-8")
    expected = {key: value for key, value in yaml.safe_load(text).items() if key != "defaults"}
    if group == "+cluster":
        resolved = OmegaConf.to_container(OmegaConf.create({"cluster": expected}), resolve=True)
        assert isinstance(resolved, dict)
        expected = resolved["cluster"]
    if group == "task":  # the default teacher, after it, lowers its temperature and length
        expected["sampling"] = {"top_p": expected["sampling"]["top_p"]}
    assert holds(values if "@package _global_" in text else values[group.lstrip("+")], expected)
