"""The ranks of a teacher that spans nodes, tied together: rank 0 drives, the others serve it and end with it.

The engine's own processes do not do that: a rank whose driver is gone waits forever, and a driver whose
rank is gone waits for minutes. So each rank holds a connection to rank 0 and both say now and then that
they live. When one is gone, the engine processes of the other are ended, which its engine then reports.
"""

from __future__ import annotations

import errno
import selectors
import socket
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from typing import Self

from omi_core.teachers import orphans

BEAT_SECONDS = 5.0
# Counted in one's own beats, not in seconds: a job that Slurm suspends loses no rank when it goes on.
SILENT_BEATS = 12
JOIN_SECONDS = 600.0
LEAVE_SECONDS = 30.0
_POLL_SECONDS = 0.2


@dataclass(frozen=True)
class RankPlace:
    """Where this process stands: its rank of `ranks`, where rank 0 may be found, and the job's own key.

    `ports` are candidates, the same for all ranks of a job: rank 0 takes what is free of them.
    """

    rank: int
    ranks: int
    node: str
    hosts: tuple[str, ...]
    ports: tuple[int, ...]
    key: str


@dataclass(frozen=True)
class RankGroup:
    """What the engine is told: the rank, how many there are, rank 0's address and port, and our address."""

    rank: int
    ranks: int
    address: str
    port: int
    own_address: str


class RankLost(RuntimeError):
    """Another rank of this teacher is gone, has failed or did not come; `node` is the one it was on."""

    def __init__(self, message: str, node: str | None = None) -> None:
        super().__init__(message)
        self.node = node


class _Link:
    """One end of a connection: sends and receives lines."""

    def __init__(self, connection: socket.socket) -> None:
        connection.setblocking(False)
        self.socket = connection
        self.rank: int | None = None
        self.node = "?"
        self.silent = 0
        self._rest = b""

    @property
    def own_address(self) -> str:
        return str(self.socket.getsockname()[0]).removeprefix("::ffff:")

    @property
    def other_address(self) -> str:
        return str(self.socket.getpeername()[0]).removeprefix("::ffff:")

    def send(self, line: str) -> None:
        with suppress(OSError):  # who is gone shows when we read
            self.socket.sendall(line.encode() + b"\n")

    def receive(self) -> list[str] | None:
        """The lines that have come; None when the other end is gone."""
        try:
            data = self.socket.recv(65536)
        except (BlockingIOError, InterruptedError):
            return []
        except OSError:
            return None
        if not data or len(self._rest) > 65536:
            return None
        self.silent = 0
        *lines, self._rest = (self._rest + data).split(b"\n")
        return [line.decode(errors="replace") for line in lines]


class _Tie:
    """A thread that reads the links of a rank and beats on them; the base of both ends."""

    def __init__(self, on_gone: Callable[[], object]) -> None:
        self._on_gone = on_gone
        self._selector = selectors.DefaultSelector()
        self._links: list[_Link] = []
        self._closed = threading.Event()
        self._changed = threading.Condition()
        self._thread = threading.Thread(target=self._run, name="RankTie", daemon=True)

    def _run(self) -> None:
        beat = time.monotonic()
        while not self._closed.is_set():
            for key, _ in self._selector.select(_POLL_SECONDS):
                if key.data is None:
                    self._accept()
                elif (lines := key.data.receive()) is None:
                    self._drop(key.data, "is gone")
                else:
                    for line in lines:
                        self._hear(key.data, line)
            if time.monotonic() - beat >= BEAT_SECONDS:
                beat = time.monotonic()
                for link in list(self._links):
                    link.send("alive")
                    link.silent += 1
                    if link.silent > SILENT_BEATS:
                        self._drop(link, f"has not been heard from for {SILENT_BEATS * BEAT_SECONDS:.0f} s")
            if self._gone():
                self._on_gone()  # again and again: an engine that is starting starts more processes

    def _add(self, link: _Link) -> None:
        self._links.append(link)
        self._selector.register(link.socket, selectors.EVENT_READ, link)

    def _drop(self, link: _Link, why: str) -> None:
        if link in self._links:
            self._links.remove(link)
            self._selector.unregister(link.socket)
            link.socket.close()
            with self._changed:
                self._dropped(link, why)
                self._changed.notify_all()

    def _close(self) -> None:
        self._closed.set()
        self._thread.join()
        for link in self._links:
            link.socket.close()
        self._selector.close()

    def _accept(self) -> None:
        raise NotImplementedError

    def _hear(self, link: _Link, line: str) -> None:
        raise NotImplementedError

    def _dropped(self, link: _Link, why: str) -> None:
        raise NotImplementedError

    def _gone(self) -> bool:
        raise NotImplementedError


class Lead(_Tie):
    """Rank 0's end. A context manager: leaving it tells the other ranks to end, and waits a while for it."""

    def __init__(self, place: RankPlace, on_gone: Callable[[], object] = orphans.end_own) -> None:
        super().__init__(on_gone)
        self._place = place
        self._joined: dict[int, _Link] = {}
        self._lost: RankLost | None = None
        self._ended = False

    def __enter__(self) -> Self:
        self._listener = _listen(self._place.ports)
        # The engine's port is found like ours, and free again until a worker process takes it.
        with _listen(self._place.ports) as engine:
            self._port = int(engine.getsockname()[1])
        self._selector.register(self._listener, selectors.EVENT_READ, None)
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.end()
        with self._changed:
            self._changed.wait_for(lambda: not self._joined, LEAVE_SECONDS)
        self._close()
        self._listener.close()

    def gather(self, asked: Callable[[], bool], seconds: float = JOIN_SECONDS) -> RankGroup | None:
        """What to tell the engine, once every rank is there; None when `asked` to stop before.

        Raises:
            RankLost: one did not come, or is gone again.
        """
        until = time.monotonic() + seconds
        with self._changed:
            while len(self._joined) < self._place.ranks - 1 and self._lost is None:
                if asked():
                    return None
                if time.monotonic() >= until:
                    missing = sorted(set(range(1, self._place.ranks)) - set(self._joined))
                    names = ", ".join(str(rank) for rank in missing)
                    raise RankLost(f"rank {names} of {self._place.ranks} did not come within {seconds:g} s")
                self._changed.wait(_POLL_SECONDS)
            if self._lost is not None:
                raise self._lost
            address = next(iter(self._joined.values())).own_address
        return RankGroup(0, self._place.ranks, address, self._port, address)

    def lost(self, wait: float = 0.0) -> RankLost | None:
        """The rank that is gone, if one is; waits up to this many seconds to hear of it."""
        with self._changed:
            self._changed.wait_for(lambda: self._lost is not None, wait)
            return self._lost

    def end(self) -> None:
        """Tells the other ranks that it is over; from now on none is missed."""
        with self._changed:
            if not self._ended:
                self._ended = True
                for link in self._joined.values():
                    link.send("end")

    def _accept(self) -> None:
        with suppress(OSError):
            self._add(_Link(self._listener.accept()[0]))

    def _hear(self, link: _Link, line: str) -> None:
        word, _, rest = line.partition(" ")
        if link.rank is None:
            self._greet(link, word, rest.split(" "))
        elif word == "failed":
            self._drop(link, f"has failed: {rest}")

    def _greet(self, link: _Link, word: str, words: list[str]) -> None:
        """Takes on a rank that names this job's key; whoever else calls is hung up on."""
        known = word == "rank" and len(words) == 3 and words[1] == self._place.key and words[0].isdigit()
        rank = int(words[0]) if known else 0
        if not 0 < rank < self._place.ranks or rank in self._joined:
            self._drop(link, "")
            return
        link.rank, link.node = rank, words[2]
        link.send(f"welcome {self._port}")
        with self._changed:
            self._joined[rank] = link
            if self._ended:
                link.send("end")
            self._changed.notify_all()

    def _dropped(self, link: _Link, why: str) -> None:
        if link.rank is None:
            return
        del self._joined[link.rank]
        if not self._ended and self._lost is None:
            self._lost = RankLost(f"rank {link.rank} ({link.node}) {why}"[:1000], link.node)

    def _gone(self) -> bool:
        return self._lost is not None and not self._ended


class Follower(_Tie):
    """The end of a rank above 0. A context manager: entering it waits until rank 0 is there.

    Raises:
        RankLost: it does not come, or the rank was `asked` to stop before it did.
    """

    def __init__(
        self, place: RankPlace, asked: Callable[[], bool], on_gone: Callable[[], object] = orphans.end_own
    ) -> None:
        super().__init__(on_gone)
        self._place = place
        self._asked = asked
        self._why: str | None = None

    def __enter__(self) -> Self:
        link, port = self._join(JOIN_SECONDS)
        place = self._place
        self.group = RankGroup(place.rank, place.ranks, link.other_address, port, link.own_address)
        self._add(link)
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._close()

    def over(self) -> str | None:
        """Why there is nothing to serve any more; None while rank 0 is there."""
        with self._changed:
            return self._why

    def wait(self) -> None:
        """Returns when rank 0 has ended."""
        with self._changed:
            while self._why is None:
                self._changed.wait(_POLL_SECONDS)

    def fail(self, error: BaseException) -> None:
        """Tells rank 0 why this rank ends."""
        for link in self._links:
            link.send(f"failed {type(error).__name__}: {' '.join(str(error).split())}")

    def _join(self, seconds: float) -> tuple[_Link, int]:
        until = time.monotonic() + seconds
        while True:
            for address in _addresses(self._place.hosts):
                for port in self._place.ports:
                    if (answer := self._call(address, port)) is not None:
                        return answer
            if time.monotonic() >= until or self._asked():
                hosts = " or ".join(self._place.hosts)
                raise RankLost(f"rank {self._place.rank}: no rank 0 found at {hosts}")
            time.sleep(_POLL_SECONDS)

    def _call(self, host: str, port: int) -> tuple[_Link, int] | None:
        """A link to rank 0 and the port it names for the engine; None if it is not there."""
        try:
            with socket.create_connection((host, port), timeout=5) as connection:
                hello = f"rank {self._place.rank} {self._place.key} {self._place.node}\n"
                connection.sendall(hello.encode())
                answer = b""
                while not answer.endswith(b"\n") and (byte := connection.recv(1)):
                    answer += byte
                word, _, told = answer.decode(errors="replace").strip().partition(" ")
                if word == "welcome" and told.isdigit():
                    return _Link(connection.dup()), int(told)
        except OSError:
            pass
        return None

    def _hear(self, link: _Link, line: str) -> None:
        if line == "end":
            self._drop(link, "has ended")

    def _dropped(self, link: _Link, why: str) -> None:
        self._why = f"rank 0 {why}"

    def _gone(self) -> bool:
        return self._why is not None


def _addresses(hosts: tuple[str, ...]) -> list[str]:
    """The addresses of hosts, those left out whose name means nothing here."""
    found: list[str] = []
    for host in hosts:
        with suppress(OSError):
            found += [str(entry[4][0]) for entry in socket.getaddrinfo(host, None, type=socket.SOCK_STREAM)]
    return list(dict.fromkeys(found))


def _listen(ports: tuple[int, ...]) -> socket.socket:
    """A listening socket on the first port that is free, for IPv4 and where there is one IPv6.

    Raises:
        OSError: none is.
    """
    for port in ports:
        with suppress(OSError):
            if socket.has_dualstack_ipv6():
                return socket.create_server(("", port), family=socket.AF_INET6, dualstack_ipv6=True)
            return socket.create_server(("", port))
    raise OSError(errno.EADDRINUSE, f"none of the ports {ports[0]}-{ports[-1]} is free")
