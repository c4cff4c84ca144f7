"""A directory that is planned once, and continued only by a command that plans the same.

One file in it says what it is to hold: the content, and the fingerprint of that. It is written last, so that
without it there are at most scraps of a start that was killed. Where a command and the file disagree, the
command is refused with the difference, and nothing is written.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

from omi_core.options import ConfigError
from omi_core.store.files import lock, move_aside, read_json, write_json
from omi_core.store.fingerprint import differences, fingerprint
from omi_core.store.seals import without_check

T = TypeVar("T")
_SHOWN = 5


@dataclass(frozen=True)
class Resumable:
    """The directory `root`, which its file `plan` makes a `noun`; touches nothing by itself.

    `made_of` is what a user calls the content, `if_damaged` what to do where the file cannot be read, and
    `before` names what is written before the file. `lock` is held by whoever works in the directory.
    """

    root: Path
    plan: str
    noun: str
    made_of: str = "config"
    if_damaged: str = ""
    before: tuple[str, ...] = ()

    @property
    def file(self) -> Path:
        return self.root / self.plan

    @property
    def lock(self) -> Path:
        return self.root / ".lock"

    def exists(self) -> bool:
        """Whether the directory is what it is to be, and not empty or somebody else's."""
        return self.file.is_file()

    def read(self, build: Callable[[dict[str, Any]], T]) -> T:
        """What `build` makes of the file's members.

        Raises:
            ConfigError: the file, or one that `build` reads, is not there; or it is damaged, by its
                fingerprint, its checksum or an AttributeError, KeyError, TypeError or ValueError of `build`.
        """
        try:
            raw = read_json(self.file)
            if raw["fingerprint"] != fingerprint(raw["content"]):
                raise ValueError("it does not match its own fingerprint")
            made = build({name: value for name, value in raw.items() if name != "check"})
            without_check(raw)
            return made
        except FileNotFoundError as error:
            gone = Path(error.filename).name
            raise ConfigError(f"{self.root}: not a {self.noun} (it has no {gone})") from None
        except (AttributeError, KeyError, TypeError, ValueError) as error:
            todo = f"; where it is damaged, {self.if_damaged}" if self.if_damaged else ""
            raise ConfigError(f"{self.file}: not a plan this version can read ({error}){todo}") from error

    def refuse_other(self, content: Mapping[str, Any]) -> None:
        """Raises ConfigError where it was made with another content, or holds something else."""
        if self.exists():
            old = self.read(lambda raw: raw["content"])
            if fingerprint(old) != fingerprint(content):
                raise ConfigError(
                    f"run.dir={self.root}: was made with another {self.made_of} "
                    f"({shown(differences(old, content))}); "
                    "choose another run.dir, or run.fresh=true to start over"
                )
        else:
            self._refuse_foreign()

    def refuse_file(self) -> None:
        """Raises ConfigError where there is a file, and no place for a directory."""
        if self.root.exists() and not self.root.is_dir():
            raise ConfigError(f"run.dir={self.root}: is a file; choose another run.dir")

    def _refuse_foreign(self) -> None:
        self.refuse_file()
        names = sorted(path.name for path in self.root.iterdir()) if self.root.is_dir() else []
        # A lock, and what a killed write has left, are hidden.
        if foreign := [name for name in names if name[0] != "." and name not in self.before]:
            raise ConfigError(
                f"run.dir={self.root}: holds something else ({foreign[0]}, and no {self.plan}) and is not "
                f"a {self.noun}; choose another run.dir"
            )

    def make(self) -> None:
        """Makes the directory, if it is not there. Raises ConfigError, also where it holds something else."""
        if not self.exists():
            self._refuse_foreign()
        try:
            self.root.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise ConfigError(
                f"run.dir={self.root}: cannot be made ({error.strerror}); choose another"
            ) from error

    @contextmanager
    def made_for(self, mistakes: tuple[type[Exception], ...]) -> Iterator[None]:
        """As `make`; after a mistake inside it is not there again, if nothing but the lock is left in it."""
        new = not self.root.exists()
        self.make()
        try:
            yield
        except mistakes:
            if new and not any(path != self.lock for path in self.root.iterdir()):
                with suppress(OSError):  # another command has come meanwhile
                    self.lock.unlink(missing_ok=True)
                    self.root.rmdir()
            raise

    def write(self, members: Mapping[str, Any]) -> None:
        """Writes the file, `fingerprint` and `content` among its members; the caller holds the lock."""
        for scrap in self.root.glob(f".{self.plan}.*.tmp"):
            scrap.unlink()
        write_json(self.file, members)

    def move_aside(self) -> None:
        """Gives the directory another name; nothing of it is deleted.

        Raises:
            ConfigError: it holds something else.
            LockTaken: a process works in it.
        """
        if not self.exists():
            raise ConfigError(f"{self.root}: not a {self.noun} (it has no {self.plan})")
        with lock(self.lock):
            move_aside(self.root)


def shown(changes: Sequence[str]) -> str:
    """The first of several differences, for a message."""
    more = f"; and {len(changes) - _SHOWN} more" if len(changes) > _SHOWN else ""
    return "; ".join(changes[:_SHOWN]) + more
