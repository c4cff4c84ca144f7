"""What each option of each command changes: the table that tests/test_every_option.py goes through.

A `Change` sets the option and looks at one thing that is made of the config: the content of the plan, the
chain of filters, what an engine or a server is given, the records that are read, the text of the jobs. A
`Shown` names the test that sets the option and sees what comes of it. A `Refused` cannot be set.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from omi_core.filters.registry import SECTIONS, built_in
from tests.looking import (
    canary_of_halves,
    chain,
    drained,
    engine,
    graders,
    hub,
    imported,
    made,
    parted,
    plan,
    planned,
    records,
    refusal,
    rehearsal,
    server,
    text_of_jobs,
)

ROOT = Path(__file__).parents[1]
TOKENIZER = str(ROOT / "omi_core/teachers/tiny/strong/tokenizer.json")
Values = Mapping[str, Any]

Look = Callable[[Any], Any]


@dataclass(frozen=True)
class Change:
    """At `value` what `look` sees is another than at the default; both with `beside`, other options."""

    value: Any
    look: Look = plan
    beside: Values = field(default_factory=dict)


@dataclass(frozen=True)
class Shown:
    """The test `test` in tests/`file` sets the option (also as a keyword or a key) and sees what it does."""

    file: str
    test: str


@dataclass(frozen=True)
class Refused:
    """At `value` the command ends with a line that begins with the option's name."""

    value: Any


Entry = Change | Shown | Refused

# --- the entries of jobs.generate

DIALOGUES = {"task.name": "dialogues", "style": ["debate"]}
PROBLEMS = {"task.name": "problems", "style": ["similar"]}
SELECTIONS = {"task.name": "selections"}
TEXTS = DIALOGUES | {"data.origin": "file", "data.path": "texts.jsonl"}
FILE = {"data.origin": "file", "data.path": "problems.jsonl"}
ANSWERED = FILE | {"data.answer": "answer"}
EVALUATION = {
    "task.name": "evaluations",
    "samples": 1,
    "evaluation.benchmarks": ["problems.yaml"],
}
RULINGS = {"task.name": "rulings", "data.origin": "file", "data.path": "pairs.jsonl"}
HUB = {"data.origin": "hub", "data.hub": "a/b"}
ADAPTIVE = {"samples": 16, "adaptive.first": 4}
REHEARSED = {"teacher.kind": "rehearsal", "data.size": 4, "samples": 2, "run.dir": "made"}
SLURM = {
    "cluster.kind": "slurm",
    "cluster.partition": "gpu",
    "cluster.gpus_per_node": 4,
    "teacher.kind": "rehearsal",
    "canary": True,
}


def site(value: Any, **beside: Any) -> Change:
    return Change(value, text_of_jobs, SLURM | beside)


def of_filters() -> dict[str, Entry]:
    """Each filter's option changes the chain."""
    beside = {"filters": {}, "conversations": DIALOGUES, "problems": PROBLEMS}
    entries: dict[str, Entry] = {}
    for section in SECTIONS:
        for cls in built_in(section):
            if cls.option is not None:
                value = not cls.option.default if cls.option.type == "bool" else 0.25
                entries[f"{section}.{cls.key()}"] = Change(
                    7 if "int" in cls.option.type else value, chain, beside[section]
                )
    return entries


ENDPOINT = "teachers/test_endpoint.py"
SIGNALLED = Shown("jobs/test_generate.py", "test_a_signal_flushes_and_leaves_a_run_that_goes_on")
AFTER = Shown(
    "cluster/test_passed_options.py", "test_only_the_first_jobs_wait_for_another_and_a_comment_is_added"
)
CANARY = Shown("cluster/test_chain.py", "test_a_canary_goes_first_and_its_samples_are_kept")
BAD_CANARY = Shown("cluster/test_chain.py", "test_a_canary_that_fails_ends_the_chain_with_the_reason")
HOLE = Shown("cluster/test_parts.py", "test_a_run_published_with_a_hole_says_so_and_is_topped_up")
POISONED = Shown("stages/test_poison.py", "test_a_crash_of_the_whole_process_is_laid_at_the_same_door")
BEST = Shown("jobs/test_score.py", "test_the_best_of_each_problem_are_those_with_the_highest_scores")
FILES = Shown("jobs/test_score.py", "test_files_are_scored_with_their_columns_and_their_thinking_left_out")
OF_REWARDS = Shown("jobs/test_score_vllm.py", "test_a_process_model_is_read_at_the_end_of_each_step")
GENERATE: dict[str, Entry] = of_filters() | {
    "filters.min_score": Shown(
        "jobs/test_score.py", "test_a_least_score_drops_the_others_and_a_column_tells_it"
    ),
    **{f"scores.{key}": FILES for key in ("solution", "finish_reason", "reasoning", "reasoning_tags")},
    "task.name": Change("verdicts"),
    "adaptive.first": Change(4, beside={"samples": 16}),
    "adaptive.step": Change(3, beside=ADAPTIVE),
    "adaptive.until": Change("right", beside=ADAPTIVE),
    "adaptive.right": Change(2, beside=ADAPTIVE | {"adaptive.until": "right"}),
    "adaptive.confidence": Change(0.9, beside=ADAPTIVE),
    "data.pass_rate": Shown(
        "stages/test_pass_rate.py", "test_a_second_run_takes_the_problems_that_were_too_hard"
    ),
    "teacher.name": Change("other"),
    "teacher.kind": Change("rehearsal", beside={"teacher.model": "embedded:weak"}),
    "teacher.model": Change("embedded:weak"),
    "teacher.revision": Change("abc", engine),
    "teacher.dtype": Change("float16", engine),
    "teacher.quantization": Change("awq", engine),
    "teacher.reasoning": Change("none", parted),
    "teacher.reasoning_tags": Change(["<a>", "</a>"], parted),
    "teacher.max_model_len": Change(512, engine),
    "teacher.lora": Change("adapter", engine),
    "teacher.chat_template": Change("template.jinja", server),
    "teacher.chat_template_kwargs": Change({"enable_thinking": False}, server),
    "teacher.tensor_parallel": Change(2, engine),
    "teacher.pipeline_parallel": Change(2, engine),
    "teacher.nodes": site(2, **{"teacher.tensor_parallel": 8}),
    "teacher.rehearsal.wrong": Change(0.7, rehearsal),
    "teacher.rehearsal.malformed": Change(0.7, rehearsal),
    "teacher.rehearsal.overlong": Change(0.7, rehearsal),
    "teacher.rehearsal.hostile": Change(0.7, rehearsal),
    "teacher.rehearsal.thinking": Change(0.7, rehearsal),
    "teacher.rehearsal.trace_tokens": Change(20, rehearsal, {"teacher.rehearsal.thinking": 1.0}),
    "teacher.rehearsal.latency": Shown(
        "jobs/test_generate.py", "test_a_signal_flushes_and_leaves_a_run_that_goes_on"
    ),
    "teacher.rehearsal.poison": POISONED,
    "teacher.rehearsal.poison_kills": POISONED,
    "teacher.reward.label": Shown("teachers/test_reward_head.py", "test_the_head_of_each_kind_of_model"),
    "teacher.reward.steps": OF_REWARDS,
    "teacher.reward.step_end": Shown(
        "teachers/test_reward_head.py", "test_the_end_of_a_step_has_to_be_a_token_of_the_model"
    ),
    "teacher.reward.checked": Shown(
        "jobs/test_score_vllm.py", "test_a_score_that_transformers_denies_ends_the_task"
    ),
    "teacher.endpoint.url": Shown(ENDPOINT, "test_nobody_listens"),
    "teacher.endpoint.key_variable": Shown(ENDPOINT, "test_the_key_is_sent_and_shown_nowhere"),
    "teacher.endpoint.concurrency": Shown(
        ENDPOINT, "test_no_more_than_the_stated_number_is_in_flight_and_samples_do_not_depend_on_it"
    ),
    "teacher.endpoint.timeout": Shown(ENDPOINT, "test_a_server_that_answers_nobody_is_lost_in_the_end"),
    "teacher.endpoint.patience": Shown(ENDPOINT, "test_a_server_that_answers_nobody_is_lost_in_the_end"),
    "teacher.endpoint.tries": Shown(
        ENDPOINT, "test_a_request_that_fails_alone_is_told_from_a_lost_server_by_a_control_request"
    ),
    "teacher.endpoint.extra": Change({"min_p": 0.1}, server),
    "data.name": Change("mine"),
    "data.origin": Change("file", records, {"data.path": "problems.jsonl"}),
    "data.path": Change("other.jsonl", records, FILE),
    "data.hub": Shown("inputs/test_numbers.py", "test_numbers_of_the_hub_are_those_of_their_columns"),
    "data.size": Change(7, records),
    "data.seed": Change(1, records),
    "data.split": Change("test", records),
    "data.problem": Change("question", records, FILE),
    "data.answer": Change("answer", records, FILE),
    "data.answer_format": Change("gsm8k", records, ANSWERED),
    "data.several_answers": Change("all", records, FILE | {"data.answer": "several"}),
    "data.source": Change("from:source", records, FILE),
    "data.on_bad_row": Change("skip", records, FILE | {"data.answer": "broken"}),
    "data.limit": Change(2, records),
    "prompt.name": Change("verbose"),
    "prompt.path": Change("template.yaml"),
    "prompt.examples": Change(1),
    "prompt.format": Change("completion"),
    "prompt.system": Change(False),
    "sampling.temperature": Change(0.5, server),
    "sampling.top_p": Change(0.5, server),
    "sampling.top_k": Change(5, server),
    "sampling.max_tokens": Change(5, server),
    "sampling.stop": Change(["Q:"], server),
    "sampling.min_p": Change(0.1, server),
    "sampling.repetition_penalty": Change(1.1, server),
    "sampling.presence_penalty": Change(0.5, server),
    "sampling.frequency_penalty": Change(0.5, server),
    "sampling.stop_token_ids": Change([5], server),
    "sampling.extra": Change({"min_tokens": 3}, server),
    "sampling.from_model": Shown(
        "teachers/test_any_model.py", "test_the_recommended_sampling_is_the_same_run_as_its_values_typed"
    ),
    "sampling.thinking_tokens": Change(9, server),
    "style": Change(["in_depth"], beside=PROBLEMS),
    "samples": Change(3),
    "seed": Change(1),
    "tasks": site(3),
    "reduce_tasks": site(3),
    "engine.max_num_seqs": Change(3, engine),
    "engine.queue": Shown("slurm/test_engine_process.py", ""),
    "engine.kv_cache_gb": Change(2.0, engine),
    "engine.gpu_memory_utilization": Change(0.5, engine),
    "engine.enforce_eager": Change(True, engine),
    "engine.batch_invariant": Change(True, engine),
    "engine.restarts": Shown("stages/test_poison.py", "test_engines_are_started_again_only_so_often"),
    "engine.extra": Change({"block_size": 32}, engine),
    "answers.methods": Change(["boxed"]),
    "answers.pattern": Change("A: (.+)"),
    "answers.policy.percent": Change("value"),
    "answers.policy.units": Change("strict"),
    "answers.policy.bases": Change("strict"),
    "answers.policy.ordered_lists": Change(True),
    "answers.policy.bare_tuples": Change(False),
    "answers.policy.set_equals_tuple": Change(True),
    "answers.policy.singleton_sets": Change(False),
    "answers.policy.interval_ends": Change("ignore"),
    "answers.policy.assignments": Change(False),
    "answers.policy.fold_case": Change(False),
    "answers.policy.tolerance": Change(0.1),
    "answers.deadline": Change(1.0),
    "answers.memory_gb": Change(2.0),
    "answers.expected": Change("majority"),
    "answers.repair.keep": Change(2, beside={"answers.expected": "repair"}),
    "answers.repair.share": Change(0.7, beside={"answers.expected": "repair"}),
    "answers.second_opinion": Shown(
        "stages/test_repair.py", "test_a_run_of_another_teacher_is_the_second_opinion"
    ),
    "answers.picks": Shown("jobs/test_selections.py", "test_the_picks_choose_one_solution_of_each_problem"),
    "answers.scores": BEST,
    "answers.select": BEST,
    "answers.top": BEST,
    "answers.min_agreement": Change(0.5),
    "answers.min_votes": Change(3),
    "answers.min_pass_rate": Change(0.1),
    "answers.max_pass_rate": Change(0.9),
    "filters.tokenizer": Change(TOKENIZER, chain, {"teacher.model": "embedded:weak"}),
    "problems.source": Change("new", beside=PROBLEMS),
    "documents.text": Change(
        "body", records, DIALOGUES | {"data.origin": "file", "data.path": "texts.jsonl"}
    ),
    "documents.id": Change("url", records, TEXTS),
    "documents.source": Change(
        "url", records, DIALOGUES | {"data.origin": "file", "data.path": "texts.jsonl"}
    ),
    "documents.max_tokens": Change(
        40, records, DIALOGUES | {"data.origin": "file", "data.path": "texts.jsonl"}
    ),
    "documents.tokenizer": Change(TOKENIZER, beside=DIALOGUES),
    "conversations.tokenizer": Change(TOKENIZER, beside=DIALOGUES),
    "variants.longest": Change(True, beside=DIALOGUES),
    "variants.mix": Change(0.5, beside=DIALOGUES),
    "evaluation.benchmarks": Change(["other.yaml"], records, EVALUATION),
    "evaluation.limit": Change(1, records, EVALUATION),
    "teacher.evaluation_prompt": Shown(
        "jobs/test_evaluate.py", "test_a_teacher_is_asked_as_its_family_was_trained_for"
    ),
    "rulings.wrong": Change(True, records, RULINGS),
    "audits.keep": Change("all", beside={"task.name": "audits"}),
    "verdicts.questions": Change(2, beside={"task.name": "verdicts"}),
    "selections.groups": Change(2, beside=SELECTIONS),
    "selections.fewest": Change(3, beside=SELECTIONS),
    "selections.most": Change(4, beside=SELECTIONS),
    "selections.max_chars": Change(9, beside=SELECTIONS),
    "selections.keep": Change("all", beside=SELECTIONS),
    "publish.rows_per_file": Change(5),
    "publish.provenance": Change(False),
    "publish.pass_rate": Change(True),
    "publish.splits": Change({"ten": 10}),
    "publish.seed": Change(1),
    "publish.chat": Change("answer"),
    "publish.reasoning": Change("inline"),
    "publish.reasoning_key": Change("thinking"),
    "cluster.account": site("lab"),
    "cluster.cpu_account": site("lab"),
    "cluster.gpu_account_suffix": site("_g", **{"cluster.account": "m1"}),
    "cluster.partition": site("other"),
    "cluster.cpu_partition": site("cpu"),
    "cluster.qos": site("high"),
    "cluster.cpu_qos": site("high"),
    "cluster.reservation": site("mine"),
    "cluster.constraint": site("gpu80"),
    "cluster.cpu_constraint": site("cpu"),
    "cluster.exclusive": site(True),
    "cluster.time": site("01:00:00"),
    "cluster.cpu_time": site("01:00:00"),
    "cluster.gpus_per_node": site(2),
    "cluster.gpu_request": site("gres"),
    "cluster.gpu_type": site("a100"),
    "cluster.cpus_per_gpu": site(3),
    "cluster.cpus": site(3),
    "cluster.mem": site("20G"),
    "cluster.cpu_mem": site("20G"),
    "cluster.throttle": site(2, tasks=4),
    "cluster.cpu_throttle": site(2, reduce_tasks=4),
    "cluster.signal_seconds": site(90),
    "cluster.setup": site(["module load x"]),
    "cluster.environment": site({"A": "b"}),
    "cluster.srun": site(["--mpi=none"]),
    "cluster.cpu_srun": site(["--mpi=none"]),
    "cluster.options": site({"nice": 3}),
    "cluster.gpu_options": site({"nice": 3}),
    "cluster.cpu_options": site({"nice": 3}),
    "cluster.comment": site("mine"),
    "cluster.job_prefix": site("lab-"),
    "cluster.python": site("/opt/python"),
    "cluster.cpu_python": site("/opt/python"),
    "cluster.requeue": site(False),
    "cluster.max_requeues": site(3),
    "wait": Shown("cluster/test_chain.py", "test_a_command_that_waits_ends_with_a_code_that_says_how"),
    "notify": Shown("jobs/test_notify.py", "test_the_end_is_told_once_however_often_the_command_is_typed"),
    "cluster.after": Shown(
        "cluster/test_passed_options.py", "test_only_the_first_jobs_wait_for_another_and_a_comment_is_added"
    ),
    "cluster.budget_gpu_hours": Shown(
        "slurm/test_budget.py", "test_a_gate_sends_nothing_more_once_the_budget_is_spent"
    ),
    "cluster.tokens_per_second": Shown("jobs/test_plan.py", "test_an_assumed_speed_makes_it_an_estimate"),
    "cluster.requires": Shown("slurm/test_script.py", ""),
    "cluster.max_attempts": Shown("slurm/test_retry_policy.py", ""),
    "cluster.canary.records": Shown(
        "cluster/test_chain.py", "test_a_canary_goes_first_and_its_samples_are_kept"
    ),
    "cluster.canary.samples": Shown(
        "cluster/test_chain.py", "test_a_canary_goes_first_and_its_samples_are_kept"
    ),
    "cluster.canary.min_answers": Shown(
        "cluster/test_chain.py", "test_a_canary_that_fails_ends_the_chain_with_the_reason"
    ),
    "plan": Shown("jobs/test_plan.py", "test_on_this_machine_there_are_no_jobs_to_show"),
    "run.dir": Shown("jobs/test_generate.py", "test_another_config_for_the_same_directory_is_refused"),
    "run.fresh": Shown("jobs/test_plan.py", "test_a_fresh_start_is_shown_as_one_and_moves_nothing"),
    "run.min_coverage": Shown(
        "cluster/test_parts.py", "test_a_run_published_with_a_hole_says_so_and_is_topped_up"
    ),
    "data.hub_config": Change(["b", "c"], hub, HUB),
    "data.revision": Change("abc", hub, HUB),
    "cluster.name": Change("here", refusal, {"cluster.kind": "slurm", "cluster.requires": ["account"]}),
    "cluster.kind": Shown("slurm/test_script.py", ""),
    "cluster.workers": Change(3, graders),
    "cluster.canary.max_unfinished": Change(0.4, canary_of_halves, {"cluster.canary.max_errors": 1.0}),
    "cluster.canary.max_errors": Change(0.6, canary_of_halves, {"cluster.canary.max_unfinished": 1.0}),
    "canary": CANARY,
    "run.root": Shown("jobs/test_report.py", "test_several_runs_stand_side_by_side"),
    "run.flush_samples": Change(2, made, REHEARSED),
    "run.flush_seconds": Shown(
        "jobs/test_generate.py", "test_a_signal_flushes_and_leaves_a_run_that_goes_on"
    ),
    "run.drain_seconds": Change(3.0, drained, REHEARSED),
    "run.max_crashes": Change(
        2, made, REHEARSED | {"teacher.rehearsal.poison": "Grace", "run.max_error_rate": 1.0}
    ),
    "run.max_error_rate": Shown("stages/test_local.py", "test_a_shard_with_too_many_errors_stops"),
    "run.repeat": Shown("stages/test_repeats.py", "test_the_chosen_samples_are_drawn_twice_in_other_company"),
}

# --- the entries of jobs.reduce

# What `jobs.reduce` takes from another run instead, or does not do.
ELSEWHERE = {
    **{"data.path": "a.jsonl", "data.hub": "a/b", "data.hub_config": ["a"], "data.revision": "a"},
    **{"data.split": "test", "data.size": 3, "data.seed": 3, "data.origin": "hub"},
    "data.pass_rate": [0.0, 0.3],
    **{"run.flush_samples": 2, "run.flush_seconds": 2.0, "run.min_coverage": 0.5},
    **{"run.max_crashes": 4, "run.max_error_rate": 0.5, "run.repeat": 0.1},
}
AGAIN = ("answers.", "filters.", "problems.", "conversations.", "variants.", "publish.")
REDUCE: dict[str, Entry] = {
    **{key: entry for key, entry in GENERATE.items() if key.startswith((*AGAIN, "run."))},
    **{key: Refused(value) for key, value in ELSEWHERE.items()},
    **{key: Shown("jobs/test_reduce.py", "") for key in ("input", "solution", "finish_reason")},
    **{
        f"data.{key}": Shown("jobs/test_reduce.py", "")
        for key in ("problem", "answer", "answer_format", "several_answers", "source")
    },
    **{key: Shown("jobs/test_thinking.py", "") for key in ("reasoning", "reasoning_tags")},
    "data.on_bad_row": Shown("jobs/test_reduce_refused.py", ""),
    "data.name": Change("mine", imported),
    "data.limit": Change(2, imported),
    "reduce_tasks": Shown(
        "jobs/test_reduce.py", "test_the_dataset_is_the_same_bytes_for_any_number_of_tasks"
    ),
    "plan": Change(True, planned),
    "cluster.workers": Change(3, graders),
    "cluster.name": Shown("test_every_option.py", "test_a_site_is_refused_by_its_name"),
}
