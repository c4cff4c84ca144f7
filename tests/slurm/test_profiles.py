"""Cluster profiles: what --help says of them, what they need, and how a user's own builds on them."""

from __future__ import annotations

import dataclasses
import re
from importlib.resources import files
from pathlib import Path
from typing import Any

import pytest
import yaml

from omi_core.cluster_options import Cluster
from omi_core.config import Generate
from omi_core.options import leaves
from omi_core.slurm.script import replicas, script
from tests.conftest import Here
from tests.slurm.composing import chain, compose
from tests.slurm.test_script import SITES, WORK, asked

FOLDER = files("cluster_profiles") / "cluster"
PROFILES = sorted(
    entry.name.removesuffix(".yaml") for entry in FOLDER.iterdir() if entry.name.endswith(".yaml")
)


def text_of(profile: str) -> str:
    return (FOLDER / f"{profile}.yaml").read_text(encoding="utf-8")


def test_every_slurm_profile_has_golden_files() -> None:
    assert {name for name in PROFILES if yaml.safe_load(text_of(name)).get("kind") == "slurm"} == set(SITES)


@pytest.mark.parametrize("profile", PROFILES)
def test_a_profile_begins_with_the_line_that_help_shows(profile: str) -> None:
    first = text_of(profile).splitlines()[0]
    assert re.fullmatch(r"# \S.{20,90}", first)
    assert yaml.safe_load(text_of(profile))["name"] == profile


def test_the_generic_profile_has_every_option_at_its_default() -> None:
    values = yaml.safe_load(text_of("slurm"))
    assert values.pop("requires") == ["partition"]
    expected = dataclasses.asdict(Cluster(name="slurm", kind="slurm"))
    del expected["requires"]
    assert values == expected


def test_the_generic_profile_explains_every_option() -> None:
    explained = set(re.findall(r"^ *(\w+):.*# \S", text_of("slurm"), flags=re.M))
    assert {key.rpartition(".")[2] for key, _, _ in leaves(Cluster())} - explained == set()


@pytest.mark.parametrize(
    ("profile", "tasks", "request_by"),
    [("selene", 8, {"gpus-per-node": "8"}), ("juwels_booster", 4, {"gres": "gpu:4"})]
    + [("perlmutter", 4, {"gpus-per-node": "4", "constraint": "gpu", "qos": "regular"})],
)
def test_a_node_is_filled_with_replicas(
    tmp_path: Path, profile: str, tasks: int, request_by: dict[str, str]
) -> None:
    config = compose(f"+cluster={profile}", *SITES[profile], *WORK)
    assert replicas(config) == tasks
    options = asked(script(config.cluster, chain(config, tmp_path / "run")["generate"]))
    assert options.items() >= request_by.items()
    assert int(options["ntasks-per-node"]) == tasks


def test_every_job_of_a_site_where_each_needs_one_has_a_constraint_and_cpu_jobs_take_no_gpu_node(
    tmp_path: Path,
) -> None:
    config = compose("+cluster=perlmutter", "cluster.account=m0000", "cluster.constraint='gpu&hbm80g'", *WORK)
    for job in chain(config, tmp_path / "run").values():
        options = asked(script(config.cluster, job))
        got = (options["constraint"].strip("'"), options["qos"])
        assert got == (("gpu&hbm80g", "regular") if job.on_gpus else ("cpu", "shared"))


@pytest.mark.parametrize("profile", SITES)
def test_what_is_missing_is_said_in_one_line_before_anything_is_made(
    here: Here, tmp_path: Path, profile: str
) -> None:
    code, out, err = here("generate", f"+cluster={profile}", *WORK, "run.dir=run")
    needed = yaml.safe_load(text_of(profile))["requires"]
    assert code == 2 and out == ""
    given = " ".join(f"cluster.{name}=…" for name in needed)
    assert err == f"error: +cluster={profile}: this site needs {', '.join(needed)}; give {given}\n"
    assert list(tmp_path.iterdir()) == []


def own(directory: Path, text: str) -> Generate:
    """The config with a profile `mysite` of that text in a directory of the user's."""
    (directory / "cluster").mkdir()
    (directory / "cluster/mysite.yaml").write_text(text, encoding="utf-8")
    return compose("--config-dir", str(directory), "+cluster=mysite", *WORK)


def changed(cluster: Cluster, base: Cluster) -> dict[str, Any]:
    """The options in which two profiles differ."""
    return {key: value for key, value in vars(cluster).items() if value != getattr(base, key)}


def test_a_profile_of_ones_own_lies_in_any_directory(tmp_path: Path) -> None:
    cluster = own(
        tmp_path, "# my site\nname: mysite\nkind: slurm\npartition: a100\ngpus_per_node: 4\n"
    ).cluster
    expected = {"name": "mysite", "kind": "slurm", "partition": "a100", "gpus_per_node": 4}
    assert changed(cluster, Cluster()) == expected


def test_a_profile_of_ones_own_builds_on_one_that_is_there(tmp_path: Path) -> None:
    text = "# my account\ndefaults: [selene, _self_]\nname: mysite\naccount: lab\npartition: batch\n"
    base = compose("+cluster=selene", *WORK).cluster
    expected = {"name": "mysite", "account": "lab", "partition": "batch"}
    assert changed(own(tmp_path, text).cluster, base) == expected


@pytest.mark.parametrize(
    ("line", "said"),
    [
        (
            "partitoin: a100",
            "partitoin in cluster/mysite.yaml: no such option (did you mean cluster.partition?)",
        ),
        ("cpus: many", "cpus in cluster/mysite.yaml: Value 'many' of type 'str' could not be converted"),
        ("requeue: 7 times", "requeue in cluster/mysite.yaml: Value '7 times' is not a valid bool"),
    ],
)
def test_a_mistake_in_a_profile_is_refused_in_one_line(
    here: Here, tmp_path: Path, line: str, said: str
) -> None:
    (tmp_path / "my/cluster").mkdir(parents=True)
    (tmp_path / "my/cluster/mysite.yaml").write_text(f"name: mysite\nkind: slurm\n{line}\n")
    code, _, err = here("generate", "--config-dir", str(tmp_path / "my"), "+cluster=mysite", *WORK)
    assert code == 2
    assert err.startswith(f"error: cluster.{said}") and err.count("\n") == 1


@pytest.mark.parametrize(
    "given",
    ["cluster.options={nodelist: n1}", "+cluster.options={nodelist: n1}", "cluster.options.nodelist=n1"],
)
def test_any_sbatch_option_is_given_with_or_without_a_plus(given: str) -> None:
    assert compose("+cluster=slurm", given, *WORK).cluster.options == {"nodelist": "n1"}
