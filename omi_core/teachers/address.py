"""Where the server of an endpoint is and how it is reached: checked before anything is written or sent.

A key given where none belongs, such as in the address, is never quoted in an error.
"""

from __future__ import annotations

import os
import re
from urllib.parse import urlsplit

from omi_core.cluster_options import Cluster
from omi_core.options import ConfigError
from omi_core.teachers.teacher_options import TeacherOptions

_URL = "teacher.endpoint.url"
_EXAMPLE = "http://host:8000/v1"
SERVER_DEFAULTS = (
    "the server adds defaults of its own to what a request states; vLLM takes those of the model, unless it "
    "was started with --generation-config vllm or is sent top_k: 0, min_p: 0 and repetition_penalty: 1"
)
_RESERVED = {"model", "messages", "prompt", "n", "stream"}


def check_endpoint(teacher: TeacherOptions, cluster: Cluster) -> None:
    """Raises ConfigError when a server cannot be asked by this config, whatever the server."""
    endpoint = teacher.endpoint
    if endpoint.url is None:
        raise ConfigError(f"{_URL}: missing; give the server's, such as {_EXAMPLE}")
    _check_url(endpoint.url)
    if not teacher.model:
        raise ConfigError("teacher.model: missing; give the name that the model has at the server")
    if teacher.lora is not None:
        raise ConfigError("teacher.lora: the server loads it; give the name it has there as teacher.model")
    if teacher.nodes > 1 or cluster.gpus_per_node > 0:
        raise ConfigError(
            "teacher.kind=endpoint: the model runs elsewhere and needs no GPU here; set teacher.nodes=1, "
            "cluster.gpus_per_node=0 and cluster.partition to one for CPU jobs"
        )
    variable = endpoint.key_variable
    if variable is not None and not re.fullmatch(r"[A-Z_][A-Z0-9_]{0,63}", variable):
        raise ConfigError(
            "teacher.endpoint.key_variable: not the name of an environment variable in capitals, such as "
            "OPENAI_API_KEY; the key itself is never an option"
        )
    if variable is not None and variable in cluster.environment:
        raise ConfigError(
            f"cluster.environment.{variable}: would be written into the run; export {variable} instead"
        )
    for name in sorted(endpoint.extra.keys() & _RESERVED):
        raise ConfigError(f"teacher.endpoint.extra.{name}: is set by the suite itself; omit it")


def _check_url(url: str) -> None:
    unusable = ConfigError(f"{_URL}: not an address; one such as {_EXAMPLE} is")
    try:
        parts = urlsplit(url)
        usable = parts.scheme in ("http", "https") and bool(parts.hostname) and parts.port != 0
    except ValueError:  # a port that is not one, or half of an IPv6 address
        raise unusable from None
    if "@" in parts.netloc or parts.query or parts.fragment:
        raise ConfigError(
            f"{_URL}: has a user, a query or a fragment; keys come from the environment alone, by "
            "teacher.endpoint.key_variable=NAME"
        )
    if not usable or re.search(r"[^!-~]", url):
        raise unusable


def read_key(variable: str | None) -> str | None:
    """The key in this environment variable, None without one; its value appears in no message.

    Raises:
        ConfigError: it is not set, or holds what cannot be sent.
    """
    if variable is None:
        return None
    name = f"teacher.endpoint.key_variable={variable}"
    key = os.environ.get(variable, "").strip()
    if not key:
        raise ConfigError(f"{name}: not set in the environment; export {variable} first")
    if re.search(r"[^!-~]", key):
        raise ConfigError(f"{name}: its value holds a space, a line end or the like; export it again")
    return key
