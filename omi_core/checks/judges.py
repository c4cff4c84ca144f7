"""What the reports of probes come to: a line for each question, as soon as it can be answered."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from signal import SIGTERM

from omi_core.checks.check_lines import FAILED, OK, SKIPPED, CheckLine, not_needed
from omi_core.checks.evidence import Evidence, NeverAnswered, NotYet, Probe, Report
from omi_core.checks.installed import differences
from omi_core.checks.node_side import UNSHARED
from omi_core.checks.notes import SYNC_S
from omi_core.config import Generate
from omi_core.teachers.teacher_options import LOADED

# Idle times, expected starts and the ages of locks are told by two clocks.
CLOCKS_DIFFER_S = 5.0
# Slurm promises its signal to the minute, and looks at its jobs every half one.
_EARLY_S, _LATE_S = 95.0, 20.0


def judge(name: str, evidence: Evidence) -> CheckLine | None:
    """The line of a question; None while it cannot be answered."""
    try:
        return JUDGES[name](name, evidence)
    except NotYet:
        return None
    except NeverAnswered as lost:
        return CheckLine(name, SKIPPED, str(lost))


def _meeting(evidence: Evidence) -> Iterator[Probe]:
    """The probes whose tasks meet us in the directory; where there is no pair, the others suffice."""
    for probe, seen in evidence.probes.items():
        if probe != "sample" and not (probe == "pair" and (seen.unfit or seen.why_not)):
            yield seen


def _directory(name: str, evidence: Evidence) -> CheckLine:
    """Every task saw what we wrote, and we what it wrote."""
    hosts, lost, seconds = [], [], 0.0
    advice = "choose run.root (or run.dir) on a file system that all nodes share, and containers mount"
    for seen in _meeting(evidence):
        for rank in range(seen.tasks):
            try:
                met = seen.part("directory", rank)
            except NeverAnswered as error:
                if (seen.said or "").startswith(UNSHARED):
                    return CheckLine(name, FAILED, str(seen.said), advice)
                if seen.over and seen.job and seen.said is None and not seen.reports:
                    why = f"the {seen.name} job {seen.job} left neither report nor log there ({seen.ended()})"
                    return CheckLine(name, FAILED, why, advice)
                lost.append(str(error))
                continue
            host = seen.reports[rank]["host"]
            if not met.get("saw_answer"):
                why = met.get("error") or f"{host} did not see a file of this machine within {SYNC_S:g} s"
                return CheckLine(name, FAILED, why, advice)
            hosts.append(host)
            seconds = max(seconds, met["seconds"])
    if lost:
        raise NeverAnswered("; ".join(dict.fromkeys(lost)), failed=False)
    where = ", ".join(dict.fromkeys(hosts))
    return CheckLine(name, OK, f"{where} and this machine see each other's files within {seconds:.1f} s")


def _clocks(name: str, evidence: Evidence) -> CheckLine:
    """A node saw our answer after we wrote it, and before we saw that it did: by both clocks."""
    within, found, lost = 0.0, False, []
    for seen in _meeting(evidence):
        for rank in range(seen.tasks):
            try:
                met = seen.part("directory", rank)
            except NeverAnswered as error:
                lost.append(str(error))
                continue
            if not met.get("saw_answer") or rank not in seen.answered:
                continue
            found = True
            ahead = met["saw_answer"] - seen.arrived[rank]
            behind = seen.answered[rank] - met["saw_answer"]
            within = max(within, seen.arrived[rank] - seen.answered[rank])
            if (off := max(ahead, behind)) > CLOCKS_DIFFER_S:
                side = "ahead of" if ahead > behind else "behind"
                return CheckLine(
                    name,
                    FAILED,
                    f"the clock of {seen.reports[rank]['host']} is {off:.0f} s {side} this machine's",
                    "have the site set it (NTP): who is idle, and which lock is old, is told by it",
                )
    if lost or not found:
        raise NeverAnswered(lost[0] if lost else "no node has answered", failed=bool(lost))
    return CheckLine(name, OK, f"agree within {within:.1f} s")


def _pair(evidence: Evidence) -> tuple[Report, str]:
    """What was found between two nodes, or between one and this machine; and between which."""
    pair, cpu = evidence.probes["pair"], evidence.probes["cpu"]
    if pair.unfit is None:
        found = pair.part("pair", 1)
        where = f"{pair.report()['host']} and {pair.report(1)['host']}"
        error = pair.reports[0].get("pair", {}).get("error") or found.get("error")
    else:
        found = cpu.part("pair")
        where, error = f"{cpu.report()['host']} and this machine", found.get("error")
    if error:
        raise NeverAnswered(error, failed=True)
    return found, where


def _renames(name: str, evidence: Evidence) -> CheckLine:
    found, where = _pair(evidence)
    advice = "choose a file system with atomic renames, and see its mount options for caches (NFS: actimeo)"
    if found["broken"]:
        words = f"{where}: of a file that the other replaces: {', '.join(found['broken'])}"
        return CheckLine(name, FAILED, words, advice)
    for key, what in (("renamed", "replaced"), ("grown", "appended to")):
        if not found[key]:
            words = f"{where}: a file {what} by one was not seen so by the other within {SYNC_S:g} s"
            return CheckLine(name, FAILED, words, advice)
    words = f"{where}: files that grow or are replaced are seen so within {found['seconds']:.1f} s"
    return CheckLine(name, OK, words)


def _locks(name: str, evidence: Evidence) -> CheckLine:
    found, where = _pair(evidence)
    advice = "mount it with locks (Lustre: flock; NFS 4), or choose another file system"
    if not found["held"]:
        return CheckLine(name, FAILED, f"{where} hold the same lock at once", advice)
    if not found["free"]:
        return CheckLine(name, FAILED, f"{where}: a lock that was released stays taken", advice)
    return CheckLine(name, OK, f"{where}: a lock held by one keeps the other out, until it is released")


def _environment(probe: str) -> Callable[[str, Evidence], CheckLine]:
    option = "python" if probe == "gpu" else "cpu_python"

    def environment(name: str, evidence: Evidence) -> CheckLine:
        seen = evidence.probes[probe]
        try:
            found = seen.part("environment")
        except NeverAnswered as lost:
            shared = not (seen.said or "").startswith(UNSHARED)
            if not (lost.failed and shared and seen.said):
                raise
            advice = f"mend cluster.setup, cluster.environment or cluster.{option}: a task has to start there"
            return CheckLine(name, FAILED, str(lost), advice)
        host = seen.report()["host"]
        wrong = [found["error"]] if "error" in found else differences(evidence.here, found)
        engine = seen.part("engine") if probe == "gpu" else {}
        if "error" in engine:
            wrong.insert(0, engine["error"])
        if wrong:
            advice = f"install the same there and here, or choose the Python by cluster.{option}"
            more = f" and {len(wrong) - 3} more" if len(wrong) > 3 else ""
            return CheckLine(name, FAILED, f"{host}: {'; '.join(wrong[:3])}{more}", advice)
        vllm = f", vllm {engine['vllm']}" if engine else ""
        return CheckLine(
            name,
            OK,
            f"{host}: Python {found['python']}{vllm}; {len(found['packages'])} packages are those of here",
        )

    return environment


def _inside(name: str, evidence: Evidence) -> CheckLine:
    found = evidence.probes["cpu"].part("commands")
    errors = {"a command": found["error"]} if "error" in found else found["errors"]
    if errors:
        words = "; ".join(f"{command}: {message}" for command, message in errors.items())
        host = evidence.probes["cpu"].reports[0]["host"]
        return CheckLine(
            name,
            FAILED,
            f"on {host} {words}",
            "gates call them; without them a chain with a failure waits for jobs.resume",
        )
    return CheckLine(name, OK, "squeue, sbatch and scancel work in a CPU job")


def _gpus(name: str, evidence: Evidence) -> CheckLine:
    asked = evidence.config.cluster.gpus_per_node
    if not asked:
        return not_needed(name, "none are asked for: cluster.gpus_per_node=0")
    seen = evidence.probes["gpu"]
    tasks = [(seen.report(rank), seen.part("gpus", rank)) for rank in range(seen.tasks)]
    for host in dict.fromkeys(report["host"] for report, _ in tasks):
        found = [part for report, part in tasks if report["host"] == host]
        if errors := [part["error"] for part in found if "error" in part]:
            return CheckLine(name, FAILED, f"{host}: {errors[0]}", "look at what the line names")
        if wrong := _wrong_gpus(evidence.config, found):
            return CheckLine(name, FAILED, f"{host}: {wrong[0]}", wrong[1])
    engine = seen.part("engine")
    own = tasks[0][1]["own"] or []
    if "gpus" in engine and engine["gpus"] != len(own):
        words = f"the engine sees {engine['gpus']} GPUs, its task has {len(own)}"
        return CheckLine(
            name, FAILED, words, "install a build of torch for these GPUs and this driver (torch.cuda)"
        )
    each = f", {len(own)} for each of {seen.tasks} tasks" if seen.tasks > 1 else ""
    if any(part["driver"] is None for _, part in tasks) and "gpus" not in engine:
        words = f"Slurm gives {asked} to a node{each}, and there is no driver (nvidia-smi) to confirm it"
        return CheckLine(name, SKIPPED, words, "make nvidia-smi known to the jobs (cluster.setup)")
    return CheckLine(name, OK, f"{asked} asked for and seen{each}")


def _wrong_gpus(config: Generate, tasks: list[Report]) -> tuple[str, str] | None:
    """What is wrong with the GPUs of one node's tasks, and what to do."""
    asked, option = config.cluster.gpus_per_node, f"cluster.gpus_per_node={config.cluster.gpus_per_node}"
    form = (
        "see cluster.gpu_request (gpus, gres, none) and cluster.gpu_type: how the site wants them asked for"
    )
    for task in tasks:
        driver: int | None = task["driver"]
        # Without a word of Slurm a task takes what is there.
        expected = asked if task["given"] is None else len(task["given"])
        if driver is not None and driver < expected:
            return (
                f"{expected} GPUs expected, the driver shows {driver}",
                f"{form}; or correct {option}",
            )
        if task["given"] is None and driver is None:
            return f"{asked} GPUs asked for, neither Slurm nor a driver knows of one", form
        if task["given"] is None and driver is not None and driver > asked:
            words = f"{asked} GPUs asked for, {driver} seen: those of others, or idle ones"
            return words, f"correct {option}, or ask for them by cluster.gpu_request=gpus"
    given = {gpu for task in tasks for gpu in task["given"] or ()}
    if tasks[0]["given"] is not None and len(given) != asked:
        return f"{asked} GPUs asked for, Slurm gives {len(given)}", form
    own = [gpu for task in tasks for gpu in task["own"] or ()]
    if len(own) != len(set(own)):
        return "two tasks have the same GPU", "ask the site how its Slurm binds GPUs to tasks"
    return None


def _signal(name: str, evidence: Evidence) -> CheckLine:
    found = evidence.probes["gpu"].part("signal")
    advice = (
        "ask the site about sbatch --signal: without it tasks are killed at their limit, and what was in "
        "flight is lost"
    )
    if "error" in found:
        return CheckLine(name, FAILED, found["error"], advice)
    left, promised = found["seconds_left"], found["promised"]
    if left is None or found["signal"] == SIGTERM:
        return CheckLine(name, FAILED, f"no signal came {promised} s before the time limit", advice)
    words = f"came {left:.0f} s before the time limit, {promised} s were asked for"
    if not promised - _LATE_S <= left <= promised + _EARLY_S:
        return CheckLine(name, FAILED, words, advice)
    return CheckLine(name, OK, words)


def _requeue(name: str, evidence: Evidence) -> CheckLine:
    if not evidence.config.cluster.requeue:
        return not_needed(name, "cluster.requeue=false: the gate sends again what a time limit leaves")
    seen = evidence.probes["gpu"]
    if seen.part("signal").get("signal") == SIGTERM:
        raise NeverAnswered(
            f"job {seen.job} was ended before it could hand back its work: {seen.ended()}", True
        )
    if seen.state is not None and seen.state.restarts:
        return CheckLine(name, OK, f"job {seen.job} has sent itself back to the queue")
    if seen.over:
        return CheckLine(
            name,
            FAILED,
            f"job {seen.job} could not send itself back to the queue: {seen.ended()}",
            "ask the site to allow it, or set cluster.requeue=false; the gate then sends the rest again",
        )
    raise NotYet


def _model(name: str, evidence: Evidence) -> CheckLine:
    teacher = evidence.config.teacher
    if teacher.kind not in LOADED:
        return not_needed(name, f"teacher.kind={teacher.kind} loads no model")
    found = evidence.probes["gpu"].part("model")
    wrong = [found["error"]] if "error" in found else found["wrong"]
    if wrong:
        advice = "put it where jobs find it: teacher.model=DIRECTORY, or cluster.environment={HF_HOME: …}"
        more = f" and {len(wrong) - 1} more" if len(wrong) > 1 else ""
        return CheckLine(name, FAILED, f"{wrong[0]}{more}", advice)
    if found.get("hub"):
        return CheckLine(name, OK, f"{teacher.model}: not there yet, and the hub has it for the first task")
    size = f"{found['files']} files, {found['bytes'] / 1e9:.1f} GB"
    return CheckLine(name, OK, f"{size} in {found['directory']}, whole")


def _hub(name: str, evidence: Evidence) -> CheckLine:
    data, teacher = evidence.config.data, evidence.config.teacher
    of_data = data.origin == "hub" and not data.path
    found: Report = {}
    if teacher.kind in LOADED:
        found = evidence.probes["gpu"].part("model")
    if not of_data and not found.get("hub"):
        return not_needed(name, "nothing of this recipe comes from the hub")
    wrong = evidence.dataset_refused + (found["wrong"] if found.get("hub") else [])
    if wrong:
        return CheckLine(
            name,
            FAILED,
            wrong[0],
            "fetch it where there is a network and name its directory, or name a mirror as HF_ENDPOINT",
        )
    where = [word for word, used in (("data here", of_data), ("model on the node", found.get("hub"))) if used]
    return CheckLine(name, OK, f"answers: {' and '.join(where)}")


def _sample(name: str, evidence: Evidence) -> CheckLine:
    if "sample" not in evidence.probes:
        return not_needed(name, "not asked for: sample=true")
    seen, found = evidence.probes["sample"], evidence.sampled
    if seen.why_not is not None:
        raise NeverAnswered(f"the sample job: {seen.why_not}", failed=False)
    if not seen.over and not found:
        raise NotYet
    if found.get("tokens"):
        words = f"{found['tokens']} tokens in {found['seconds']:.0f} s, start-up {found['start_up']:.0f} s"
        return CheckLine(name, OK, words)
    return CheckLine(
        name,
        FAILED,
        found.get("error") or f"the sample job {seen.job} made none: {seen.ended()}",
        "look the message up in docs/troubleshooting.md",
    )


# In the order in which they are shown.
JUDGES: dict[str, Callable[[str, Evidence], CheckLine]] = {
    "directory": _directory,
    "clocks": _clocks,
    "renames": _renames,
    "locks": _locks,
    "CPU environment": _environment("cpu"),
    "Slurm in jobs": _inside,
    "GPU environment": _environment("gpu"),
    "GPUs": _gpus,
    "model": _model,
    "hub": _hub,
    "signal": _signal,
    "requeue": _requeue,
    "sample": _sample,
}
