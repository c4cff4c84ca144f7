"""Hydra's errors in one line of our own. What is known of its English stands here and nowhere else.

Hydra 1.3 tells most mistakes by the text of one type of exception; pyproject.toml keeps 1.4 out, and
tests/composing/test_hydra_errors.py says by example which texts are relied on. Where one would change, its
first line is shown as it is.
"""

from __future__ import annotations

import re

from omi_core.composing.command_line import no_such_option
from omi_core.options import did_you_mean, first_line, leaves

_QUOTES = "a value with spaces, commas, brackets or the like takes two pairs of quotes, \"a.b='(x) y'\""
NO_DEFAULT = re.compile(r"Could not override '([^']+)'. No match in the defaults list")
NO_KEY = re.compile(r"Could not override '([^']+)'")
MERGING = re.compile(r"Error merging override \+*(\S+)")
IN_FILE = re.compile(r"In '([^']+)': \w+ raised while composing config")
NO_TEXT = "Config group override must be a string"


def one_line(error: Exception, schema: type) -> str | None:
    """What a user is told of an error of composing a config; None when it is not one."""
    from hydra.errors import HydraException, MissingConfigException, OverrideParseException
    from omegaconf.errors import OmegaConfBaseException

    if str(error).startswith(NO_TEXT):  # a plain ValueError
        return "null: no choice of a group; give the name of one"
    if not isinstance(error, (HydraException, OmegaConfBaseException)):
        return None
    if isinstance(error, OverrideParseException):
        return f"{error.override}: not of the form NAME=VALUE; {_QUOTES}"
    if isinstance(error, MissingConfigException) and error.missing_cfg_file and error.options is not None:
        group, _, choice = error.missing_cfg_file.rpartition("/")
        return f"{group}={choice}: no such choice; one of {', '.join(error.options)}"
    return _of_text(str(error), error.__cause__ or error.__context__, schema) or first_line(error)


def _of_text(text: str, cause: BaseException | None, schema: type) -> str | None:
    from omegaconf.errors import ConfigKeyError

    known = [key for key, _, _ in leaves(schema())]
    if found := NO_DEFAULT.match(text):
        if found[1] == "cluster":
            return "cluster: choose it with a plus, +cluster=NAME"
        return f"{found[1]}: no choices here; set its options one by one, as --help=all lists them"
    if found := NO_KEY.match(text):
        return str(no_such_option(found[1], known))
    if found := MERGING.match(text):
        if cause and "ListConfig" in str(cause):
            key, _, value = found[1].partition("=")
            return f"{found[1]}: a list is expected, {key}=[{value}]"
        return f"{found[1]}: {first_line(cause) if cause else 'not a value of the right type'}"
    if found := IN_FILE.match(text):
        key = getattr(cause, "full_key", None)
        if cause is None or key is None:
            return f"{found[1]}.yaml: {first_line(cause) if cause else first_line(ValueError(text))}"
        if isinstance(cause, ConfigKeyError):
            near = did_you_mean(str(key), known)
            group = found[1].partition("/")[0]
            return f"{key} in {found[1]}.yaml: no such option{near or f' here; choose another {group}'}"
        return f"{key} in {found[1]}.yaml: {first_line(cause)}"
    return None
