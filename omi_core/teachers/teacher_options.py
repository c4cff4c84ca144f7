"""Options of teachers: the model, how it is sampled, and the engine that runs it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from omi_core.options import option, section
from omi_core.text.reasoning import TAGS

# Values of `teacher.reasoning` that are no parser of vLLM.
TAGGED, OFF = "tags", "none"
REWARD = "reward"
# Kinds of teachers whose model vLLM loads here.
LOADED = ("vllm", REWARD)
# Of a model of usual size on a CPU: with more the first samples come late, and a stop loses all in flight.
CPU_SEATS = 16


@dataclass
class Sampling:
    """How the teacher draws each sample."""

    temperature: float = option(1.0, "sampling temperature; 0 is greedy", ge=0)
    top_p: float = option(0.95, "nucleus sampling: smallest set of tokens with this probability", gt=0, le=1)
    top_k: int = option(0, "sample among the k likeliest tokens; 0 means all", ge=0)
    max_tokens: int = option(2048, "most new tokens per sample (the teacher's context also limits it)", ge=1)
    thinking_tokens: int | None = option(
        None, "most tokens of thinking, after which the model has to answer; null: no limit", ge=1, late=True
    )
    stop: list[str] = option(
        [], "strings that end a sample; they are cut off. A line break is typed as one: [$'\"\\n\\nQ:\"']"
    )
    min_p: float = option(
        0.0, "least probability of a token, as a share of the likeliest one's", ge=0, le=1, late=True
    )
    repetition_penalty: float = option(
        1.0, "over 1: tokens of the prompt and the sample become less likely", gt=0, late=True
    )
    presence_penalty: float = option(
        0.0, "over 0: tokens of the sample become less likely", ge=-2, le=2, late=True
    )
    frequency_penalty: float = option(
        0.0, "over 0: the same, by how often they stand there", ge=-2, le=2, late=True
    )
    stop_token_ids: list[int] = option([], "tokens that end a sample, besides the model's own", late=True)
    extra: dict[str, Any] = option({}, "any other field of vLLM's SamplingParams", late=True)
    from_model: bool = option(
        False,
        "the values that the model's generation_config.json states win over those above",
        transient=True,
    )


@dataclass
class Rehearsal:
    """Shares of `teacher=rehearsal`; what they leave of 1 are right answers."""

    wrong: float = option(0.2, "share of samples with a wrong answer", ge=0, le=1)
    malformed: float = option(0.04, "share without an answer, or with a broken one", ge=0, le=1)
    overlong: float = option(0.02, "share that runs into max_tokens", ge=0, le=1)
    hostile: float = option(0.01, "share meant to break graders: huge, deep, control characters", ge=0, le=1)
    thinking: float = option(0.0, "share with a trace in <think> tags before the text", ge=0, le=1, late=True)
    trace_tokens: int = option(200, "tokens of such a trace, about", ge=1, late=True)
    latency: float = option(0.0, "mean seconds per sample, at max_num_seqs at once", ge=0, transient=True)
    poison: str | None = option(None, "a problem that contains this text crashes the engine")
    poison_kills: bool = option(False, "and the process with it, as a native crash does", transient=True)


@dataclass
class Endpoint:
    """Of `teacher=endpoint`: an OpenAI-compatible server, and how it is asked."""

    url: str | None = option(None, "address of the server's API, such as http://host:8000/v1", transient=True)
    key_variable: str | None = option(
        None, "environment variable that holds the key; null: no key is sent", transient=True
    )
    concurrency: int = option(64, "requests of one task at once", ge=1, transient=True)
    timeout: float = option(600.0, "seconds for one answer", gt=0, transient=True)
    patience: float = option(
        600.0, "seconds without any answer of the server before the task gives up", gt=0, transient=True
    )
    tries: int = option(
        5, "failures of one request, while others succeed, before it is quarantined", ge=1, transient=True
    )
    extra: dict[str, Any] = option({}, "any other field of a request; null omits one")


@dataclass
class Reward:
    """Of `teacher=reward`: how a reward model's output becomes one number."""

    label: int | None = option(
        None,
        "which output of a model with several is the score; null: there is one, or of steps the second",
        ge=0,
    )
    steps: str = option(
        "product",
        "a process model's score is this of those of its steps: product (arXiv 2501.07301), min or last",
        choices=("product", "min", "last"),
    )
    step_end: str = option("<extra_0>", "the token after each step, where a process model is read")
    checked: int | None = option(
        None,
        "first samples of a task whose scores are held against transformers; null: 2 where the weights have "
        "less than 2 GB",
        ge=0,
        transient=True,
    )


@dataclass
class TeacherOptions:
    """The model that generates, and what runs it."""

    name: str = option("tiny", "the name used in run names and provenance; empty: that of the model")
    kind: str = option(
        "vllm", "what runs it", choices=("vllm", REWARD, "endpoint", "rehearsal"), transient=True
    )
    model: str = option(
        "embedded:strong",
        "hub id, directory, or embedded:strong, :weak, :muddled, :verbose, :thinking or :base; "
        "for a server its own name",
    )
    revision: str | None = option(None, "commit or tag of the model on the hub")
    dtype: str = option(
        "auto", "precision of weights and arithmetic", choices=("auto", "float32", "bfloat16", "float16")
    )
    quantization: str | None = option(None, "vLLM's quantization method; null reads it from the checkpoint")
    max_model_len: int | None = option(
        8192,
        "most tokens of prompt and sample together; null: the model's own context, but no more than "
        "sampling.max_tokens and 8192 for the prompt",
        ge=16,
    )
    evaluation_prompt: str | None = option(
        None, "the template that jobs.evaluate asks it with; null: step_by_step", transient=True
    )
    lora: str | None = option(None, "directory of a LoRA adapter", late=True)
    chat_template: str | None = option(
        None, "file of a chat template (Jinja) in place of the model's own", late=True
    )
    chat_template_kwargs: dict[str, Any] = option(
        {}, "options of the chat template, such as {enable_thinking: false}", late=True
    )
    tensor_parallel: int = option(1, "GPUs that share each layer", ge=1, transient=True)
    pipeline_parallel: int = option(1, "groups of layers, each on its own GPUs", ge=1, transient=True)
    nodes: int = option(1, "nodes for one replica of the model", ge=1, transient=True)
    reasoning: str = option(
        TAGGED,
        "how thinking is parted from the answer: tags; none: not at all; or a reasoning parser of vLLM "
        "(qwen3, deepseek_r1, openai_gptoss, …)",
        late=True,
    )
    reasoning_tags: list[str] = option(
        list(TAGS), "the tags around thinking: the opening and the closing one", late=True
    )
    rehearsal: Rehearsal = section(Rehearsal)
    endpoint: Endpoint = section(Endpoint)
    reward: Reward = section(Reward, late=True)


@dataclass
class Engine:
    """How vLLM runs on each replica."""

    max_num_seqs: int | None = option(
        None, "samples the engine works on at once; null: 256, or 16 for a model on a CPU", ge=1
    )
    queue: int = option(64, "samples waiting in the engine, so that it never drains", ge=1)
    kv_cache_gb: float | None = option(
        None, "size of the KV cache; null: vLLM decides (1 GiB on a CPU)", gt=0
    )
    gpu_memory_utilization: float = option(0.92, "share of the GPU's memory for the engine", gt=0, le=1)
    enforce_eager: bool = option(False, "no compiled graphs: starts sooner, runs slower (always so on a CPU)")
    batch_invariant: bool = option(
        False, "vLLM's batch-invariant kernels: the same bytes for any batching, at a cost in speed"
    )
    cache_dir: str | None = option(
        None,
        "directory of compiled graphs and kernels, which tasks and runs share; null: vLLM's ~/.cache/vllm",
    )
    restarts: int = option(4, "how often a task starts its engine again after it failed", ge=0)
    extra: dict[str, Any] = option({}, "any other argument of vLLM's EngineArgs, passed through as it is")

    @property
    def seats(self) -> int:
        """Samples at once, where that is not left to a CPU."""
        return self.max_num_seqs or 256
