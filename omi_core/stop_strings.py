"""Stop strings as they are typed: neither Hydra nor a shell makes a line break of a backslash and an n."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any

from omi_core.options import ConfigError

_ESCAPE = re.compile(r"\\([ntr])([a-z]*)")
_MEANT = {"n": "a line break", "t": "a tab", "r": "a carriage return"}
# What may well be meant as it stands, in a set about mathematics.
_LATEX = frozenset(
    "nabla natural ne nearrow neg neq newcommand newline newpage nexists ngeq ni nleq nmid noindent nonumber "
    "not notin nparallel nsubseteq nu rangle rbrace rceil real renewcommand require rfloor rhd rho right "
    "rightarrow rightleftharpoons root rule tag tan tanh tau tbinom text textbf textit textrm texttt tfrac "
    "theta therefore tilde times title to top triangle triangleleft triangleright".split()
)


def check_stop(key: str, texts: Any) -> None:
    """Refuses stop strings that a teacher would look for in vain.

    Raises:
        ConfigError: one is empty, or holds a backslash and an n, t or r that begin no LaTeX command.
    """
    each = [texts] if isinstance(texts, str) else texts
    for text in each if isinstance(each, Sequence) else ():
        if text == "":
            raise ConfigError(f"{key}: holds an empty text, which would end every sample at once")
        for found in _ESCAPE.finditer(text) if isinstance(text, str) else ():
            if f"{found[1]}{found[2]}" not in _LATEX:
                raise ConfigError(
                    f"{key}: '{text}' holds a backslash and the letter {found[1]}, not {_MEANT[found[1]]}; "
                    f"type {key}=[$'\"{text}\"'] in bash, or put it into a YAML file in double quotes"
                )
