"""vLLM's SamplingParams from the options: what is not one of the suite's own comes from `sampling.extra`."""

from __future__ import annotations

from importlib.util import find_spec
from typing import TYPE_CHECKING, Any

from omi_core.options import ConfigError, did_you_mean
from omi_core.teachers.teacher_options import Sampling

if TYPE_CHECKING:
    from vllm import SamplingParams

_OWN = (
    *("temperature", "top_p", "top_k", "min_p", "max_tokens", "stop", "stop_token_ids"),
    *("repetition_penalty", "presence_penalty", "frequency_penalty"),
)
_OPTIONS = (*_OWN, "thinking_tokens")
_SET = (
    *("n", "seed", "output_kind", "stream_interval", "detokenize", "skip_clone"),
    "output_text_buffer_length",
)
# The others of vLLM 0.32, for a machine where it is not installed.
_OTHERS = (
    *("allowed_token_ids", "bad_words", "extra_args", "flat_logprobs", "ignore_eos"),
    *("include_stop_str_in_output", "logit_bias", "logprob_token_ids", "logprobs", "min_tokens"),
    *("prompt_logprobs", "repetition_detection", "skip_reading_prefix_cache", "skip_special_tokens"),
    *("spaces_between_special_tokens", "structured_outputs", "watermarking"),
)


def sampling_fields(sampling: Sampling) -> dict[str, Any]:
    """The options by the names that vLLM has for them, in process and as a server."""
    limit = sampling.thinking_tokens
    thinking = {} if limit is None else {"thinking_token_budget": limit}
    return {name: getattr(sampling, name) for name in _OWN} | thinking | sampling.extra


def sampling_params(sampling: Sampling) -> SamplingParams:
    """What vLLM is given with a sample, but for its seed. Raises ValueError for values that do not do."""
    import msgspec
    from vllm import SamplingParams

    return msgspec.convert(sampling_fields(sampling), SamplingParams)


def check_extra(sampling: Sampling) -> None:
    """Raises ConfigError when vLLM, where it is installed, does not take `sampling.extra`."""
    if not sampling.extra:
        return
    others = list(_OTHERS)
    installed = find_spec("vllm") is not None
    if installed:
        from vllm import SamplingParams

        others = [name for name in SamplingParams.__struct_fields__ if name[0] != "_"]
    for name in sampling.extra:
        if (own := {"thinking_token_budget": "thinking_tokens"}.get(name, name)) in _OPTIONS:
            raise ConfigError(f"sampling.extra.{name}: has an option of its own, sampling.{own}")
        if name in _SET:
            raise ConfigError(f"sampling.extra.{name}: is set by the suite itself; omit it")
        if name not in others:
            raise ConfigError(
                f"sampling.extra.{name}: no field of vLLM's SamplingParams{did_you_mean(name, others)}"
            )
    if installed:
        try:
            sampling_params(sampling)
        except (ValueError, TypeError) as error:
            raise ConfigError(
                f"sampling.extra: vLLM refuses it: {' '.join(str(error).split())[:300]}"
            ) from error
