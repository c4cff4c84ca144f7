"""Every file of a run directory, damaged in every way: it heals, or one line says what to do."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

import orjson
import pytest

from omi_core.config import Generate, load_generate
from omi_core.options import ConfigError
from omi_core.publish.verify import verify
from omi_core.report.facts import run_facts as gather_facts
from omi_core.slurm.run_status import gather_readable
from omi_core.stages.local import run_locally
from omi_core.stages.planning import plan_generate, refuse_changed
from omi_core.stages.run import open_to_continue, published
from omi_core.stages.stopping import Stop
from omi_core.store import ledger
from omi_core.store.layout import Layout

FILES = (
    "config.json",
    "dataset/README.md",
    "dataset/config.json",
    "dataset/data/train.parquet",
    "dataset/jsonl/train.jsonl.zst",
    "dataset/stats.json",
    "generate/0001-00000.json",
    "generate/0001-00000.jsonl.zst",
    "generate/0001-00000.jsonl.zst.idx",
    "generate/0001-00001.json",
    "generate/0001-00001.jsonl.zst",
    "generate/0001-00001.jsonl.zst.idx",
    "generate/0001.json",
    "ledger.jsonl",
    "plan.json",
    "records.jsonl.zst",
    "records.jsonl.zst.idx",
    "reduce/of-00002/part-00000.json",
    "reduce/of-00002/part-00000.jsonl.zst",
    "reduce/of-00002/part-00001.json",
    "reduce/of-00002/part-00001.jsonl.zst",
)
# What only `verify` finds in a published dataset: these are read by people and programs, not by commands.
UNSEEN = {"dataset/README.md", "dataset/config.json", "dataset/data/train.parquet", "dataset/stats.json"}
UNSEEN |= {"dataset/jsonl/train.jsonl.zst"}


def config(directory: Path, **values: Any) -> Generate:
    base: dict[str, Any] = {
        "run": {"dir": str(directory), "flush_samples": 4},
        "teacher": {"name": "rehearsal", "kind": "rehearsal", "model": "rehearsal"},
        "data": {"size": 8, "answer": "answer"},
        "samples": 3,
        "tasks": 2,
        "reduce_tasks": 2,
        "cluster": {"workers": 1},
        "publish": {"splits": {}},
    }
    return load_generate(base | values)


def files_of(directory: Path) -> dict[str, bytes]:
    return {str(p.relative_to(directory)): p.read_bytes() for p in directory.rglob("*") if p.is_file()}


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run that is published and undisturbed."""
    root = tmp_path_factory.mktemp("runs") / "run"
    run_locally(plan_generate(config(root)), Stop())
    return root


def flip(path: Path) -> None:
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 0x11
    path.write_bytes(data)


def cut(path: Path) -> None:
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])


def delete(path: Path) -> None:
    path.unlink()


HARMS = (flip, cut, delete)
Harm = Callable[[Path], None]


def named(root: Path, name: str) -> Path:
    """The file of that name; those of a dataset carry more in their names."""
    path = root / name
    if path.exists():
        return path
    stem, _, suffix = path.name.partition(".")
    return next(path.parent.glob(f"{stem}-*.{suffix}"))


def one_line(do: Callable[[], Any]) -> None:
    """Does something that may be refused, and then in one line."""
    try:
        do()
    except ConfigError as error:
        assert len(str(error).splitlines()) == 1
        assert str(error).strip()


def looked_at(root: Path) -> None:
    """What the commands do that only look at a run."""
    status = gather_readable(root)
    assert status.state == "unreadable" or status.samples == 24
    assert status.note is None or "\n" not in status.note
    with suppress(ValueError):  # which the commands tell in one line
        gather_facts(root)


def resumed(root: Path) -> None:
    run = open_to_continue(Layout(root))
    refuse_changed(run)
    run_locally(run, Stop())


def test_the_list_of_files_is_the_run_s_own(made: Path) -> None:
    found = {name for name in files_of(made) if not name.endswith(".lock")}
    assert {str(named(made, name).relative_to(made)) for name in FILES} == found


@pytest.mark.parametrize("is_published", [True, False], ids=["published", "not published"])
@pytest.mark.parametrize("harm", HARMS, ids=lambda harm: harm.__name__)
@pytest.mark.parametrize("name", FILES)
def test_a_damaged_file_heals_or_one_line_says_what_to_do(
    tmp_path: Path, made: Path, name: str, harm: Harm, is_published: bool
) -> None:
    root = tmp_path / "run"
    shutil.copytree(made, root)
    undisturbed = files_of(root / "dataset")
    if not is_published:
        if name.startswith("dataset/"):
            pytest.skip("there is none")
        shutil.rmtree(root / "dataset")
    harm(named(root, name))
    looked_at(root)
    one_line(lambda: resumed(root))
    run = plan_generate(config(root))
    run_locally(run, Stop())
    assert published(run) is not None
    if is_published and name in UNSEEN and files_of(root / "dataset") != undisturbed:
        assert harm in (flip, cut)
        if name == "dataset/jsonl/train.jsonl.zst":
            with pytest.raises(ValueError, match="damaged|not those"):
                verify(root / "dataset")
        return
    assert files_of(root / "dataset") == undisturbed
    shutil.rmtree(root / "dataset")
    resumed(root)
    assert files_of(root / "dataset") == undisturbed


def test_options_edited_by_hand_are_refused_with_the_difference(made: Path, tmp_path: Path) -> None:
    root = tmp_path / "run"
    shutil.copytree(made, root)
    shutil.rmtree(root / "dataset")
    layout = Layout(root)
    values = orjson.loads(layout.config.read_bytes())
    values["sampling"]["temperature"] = 0.25
    layout.config.write_bytes(orjson.dumps(values))
    with pytest.raises(ConfigError, match=r"config\.json: was changed .*sampling\.temperature .* → 0\.25"):
        resumed(root)
    assert not (root / "dataset").exists()
    run_locally(plan_generate(config(root)), Stop())  # the command that made the run puts it right
    assert files_of(root / "dataset") == files_of(made / "dataset")


def test_options_that_do_not_decide_the_dataset_may_be_edited(made: Path, tmp_path: Path) -> None:
    root = tmp_path / "run"
    shutil.copytree(made, root)
    shutil.rmtree(root / "dataset")
    values = orjson.loads((root / "config.json").read_bytes())
    values["tasks"], values["engine"]["max_num_seqs"] = 5, 3
    (root / "config.json").write_bytes(orjson.dumps(values))
    resumed(root)
    assert files_of(root / "dataset") == files_of(made / "dataset")


def test_a_prompt_that_was_changed_meanwhile_is_refused_by_a_resume(tmp_path: Path) -> None:
    prompt = tmp_path / "mine.yaml"
    prompt.write_text('solutions: {user: "Solve: {{text}}"}\n')
    root = tmp_path / "run"
    plan_generate(config(root, prompt={"path": str(prompt)}))
    prompt.write_text('solutions: {user: "Guess: {{text}}"}\n')
    with pytest.raises(ConfigError, match=r"made with another config \(prompt\.user .*Guess"):
        resumed(root)
    assert not list((root).glob("generate/*"))


def test_a_damaged_ledger_line_is_left_out_with_a_warning(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "ledger.jsonl"
    for number in range(1, 4):
        ledger.append(path, {"stage": "generate", "attempt": number, "job": f"1{number}"})
    lines = path.read_bytes().splitlines(keepends=True)
    path.write_bytes(lines[0] + lines[1].replace(b'"12"', b'"13"') + lines[2])
    for _ in range(2):
        assert [entry["attempt"] for entry in ledger.read(path)] == [1, 3]
    assert capsys.readouterr().err.count("line 2 is damaged") == 1
    ledger.append(path, {"stage": "publish"})
    assert [entry["stage"] for entry in ledger.read(path)] == ["generate", "generate", "publish"]


def test_lines_of_a_ledger_without_checksums_are_read(tmp_path: Path) -> None:
    path = tmp_path / "ledger.jsonl"
    path.write_bytes(
        b'{"time":1.5,"stage":"chain"}\n{"time":2.5,"stage":"gen\n\xff\n[]\n{"time":3.5,"stage":"end"}\n'
    )
    assert [entry["stage"] for entry in ledger.read(path)] == ["chain", "end"]
