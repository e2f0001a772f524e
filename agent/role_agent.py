"""The agent role by itself: opens its doors, reads the configuration, and is its own supervisor as to reloads.

What a reload means is the same as under `knockfirst run` (agent/supervisor.py): all of it is checked before anything
that runs is told of it, and on any error the one before stays in force. A role whose keys need it loses its connection
and begins anew; where the agent itself has to, it ends with 75, and systemd starts the next.
"""

from __future__ import annotations

import logging
import os
import select
import signal
import socket
import time
from contextlib import suppress
from pathlib import Path
from pwd import getpwnam
from threading import Thread
from typing import TYPE_CHECKING, Any

from agent import ipc, killswitch, serving
from agent.config import changes, fingerprint, over
from agent.errors import ConfigError, InputError
from agent.ipc import Type
from agent.keeping import prove
from agent.logfmt import begin
from agent.messages import Loaded
from agent.notify import PULSE, READY, RELOADING
from agent.rights import keep
from agent.role_doors import GUESTS, path_of, taken_over
from agent.run import configured
from agent.sections import Exporter
from agent.sockets import LISTENERS, door

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from agent.sections import Config

AGAIN = 75  # EX_TEMPFAIL of sysexits.h: what was configured holds for a new process only
# Are in the directory of the doors while a prober, and a notifier, is wanted: their units look for them.
ARMED, RELAY = "armed", "relay"

REGISTER = "register"  # is written there when the register says something else; so is this one

_OVERFLOW = 65534  # DEFAULT_OVERFLOWUID of linux/highuid.h
_QUIET = 0.5  # seconds for which the register has to be left alone
_AT_LAST = 30.0  # seconds after which that is not waited for any more
_COURTESY = 0.3  # seconds until we end for a reload: who asked for it gets the answer first


def be(path: str, doors: Path, lets: list[str]) -> int:
    """Be the agent role until SIGTERM. ``lets``: ``ROLE=USER``. Raises ConfigError where it cannot begin."""
    keep(frozenset())
    config = read(path)
    begin("agent", config.log.level, config.log.format)
    guests = users(lets)
    listeners = opened(doors, config, shared=bool(guests))
    PULSE.begin()
    ours, theirs = socket.socketpair()
    steward = Steward(config, lambda: read(path), ours, doors)
    signal.signal(signal.SIGHUP, steward.ask_reload)
    signal.signal(signal.SIGUSR1, steward.ask_switch)
    steward.begin()
    guests = guests or {name: frozenset({os.geteuid()}) for name in GUESTS}
    code = serving.be(listeners, theirs, guests, Mark(doors / REGISTER, time.monotonic))
    return AGAIN if steward.again and not code else code


def read(path: str) -> Config:
    """The configuration with its prefix files, all of it checked. Raises ConfigError."""
    try:
        config = configured(path, ())
    except InputError as error:
        raise ConfigError(str(error)) from None
    log = logging.getLogger("agent")
    for key, value in Exporter().model_dump().items():
        if key in LISTENERS and getattr(config.exporter, key) != value:
            log.warning("a socket unit says where the pages are", extra={"ignored": f"exporter.{key}"})
    if config.capture.cpus:
        log.warning("the unit of capture says on which CPUs it runs", extra={"ignored": "capture.cpus"})
    return over(config, {"cpus": []})


def users(lets: list[str]) -> dict[str, frozenset[int]]:
    """Door -> the uids that it is for, of ``ROLE=USER`` words, as the kernel shows them to us. Raises ConfigError."""
    found = {}
    shown = mapped(Path("/proc/self/uid_map").read_text(encoding="ascii"))
    for let in lets:
        role, _, user = let.partition("=")
        if role not in GUESTS:
            raise InputError(f"--let {let}: no role {role!r}; write one of {', '.join(GUESTS)}, = and a user")
        try:
            found[role] = frozenset({shown(getpwnam(user).pw_uid)})
        except KeyError:
            raise ConfigError(f"--let {let}: there is no user {user!r}; systemd-sysusers makes it") from None
    return found


def mapped(text: str) -> Callable[[int], int]:
    """How a uid is shown in a user namespace with this uid_map (user_namespaces(7)): all that have no place are one.

    There the groups of the doors' directories alone keep the roles apart.
    """
    rows = [tuple(map(int, line.split())) for line in text.splitlines()]

    def shown(uid: int) -> int:
        inside = (first + uid - outside for first, outside, count in rows if outside <= uid < outside + count)
        return next(inside, _OVERFLOW)

    return shown


def opened(doors: Path, config: Config, *, shared: bool) -> dict[str, socket.socket]:
    """The listening sockets of every door: those that systemd hands over, the others made. Raises ConfigError.

    ``shared``: their directories belong to the roles' groups, who may then reach the sockets in them.
    """
    listeners = taken_over()
    mode = 0o660 if shared else 0o600
    for name in GUESTS.keys() - listeners.keys():
        place = path_of(doors, name)
        with suppress(OSError):  # where it cannot be made, neither can the socket, which says why
            place.parent.mkdir(mode=0o700, exist_ok=True)
        listeners[name] = door(str(place), mode)
    if "control" not in listeners:
        # Beside root and ourselves, whom the unit gives our group may ask; who asks is looked at, too.
        listeners["control"] = door(config.agent.control or str(doors / "control"), mode)
    return listeners


class Mark:
    """A file that is written when what it is told is something else, for a unit that watches it.

    Not before that has stayed the same for a while, for who reads the register then reads all of it.
    """

    def __init__(self, path: Path, clock: Callable[[], float]) -> None:
        self._path = path
        self._clock = clock
        self._marked: object = None
        self._seen: object = None
        self._changed = self._first = 0.0

    def __call__(self, version: object) -> None:
        if version == self._marked:
            return
        now = self._clock()
        if self._seen == self._marked:
            self._first = now
        if version != self._seen:
            self._seen, self._changed = version, now
        if now < self._changed + _QUIET and now < self._first + _AT_LAST:
            return
        self._marked = self._seen
        with suppress(OSError):
            self._path.write_text("changed\n", encoding="ascii")


class Steward:
    """The supervisor's end of the agent's line, as a thread beside it. ``reread`` raises ConfigError."""

    def __init__(self, config: Config, reread: Callable[[], Config], line: socket.socket, doors: Path) -> None:
        self._config = config
        self._reread = reread
        self._line = line
        self._doors = doors
        self._loaded = Loaded(time=time.time(), sha256=fingerprint(config))
        self._log = logging.getLogger("agent")
        self._bell = os.eventfd(0, os.EFD_CLOEXEC | os.EFD_NONBLOCK)
        self._reader = ipc.Reader(frozenset({Type.RELOAD}))
        self._reload_asked = self._switch_asked = False
        self.again = False

    def begin(self) -> None:
        """Tell the agent its configuration, and stand by."""
        self._tell_configuration()
        self._mark()
        Thread(target=self._stand_by, name="steward", daemon=True).start()

    def ask_reload(self, *_: object) -> None:
        """Only a flag, because it is called from a signal's catcher."""
        self._reload_asked = True
        os.eventfd_write(self._bell, 1)

    def ask_switch(self, *_: object) -> None:
        """Nobody is knocked at any more, soon. Only a flag, as in ``ask_reload``."""
        self._switch_asked = True
        os.eventfd_write(self._bell, 1)

    def _stand_by(self) -> None:
        try:
            while self._turn():
                pass
        except OSError:
            pass  # The agent has ended.
        except Exception:
            # Without this thread nobody would hear of a reload any more: the next agent has one.
            self._log.exception("the agent's steward failed")
            self.again = True
        with suppress(OSError):
            self._line.shutdown(socket.SHUT_RDWR)

    def _turn(self) -> bool:
        """Wait for somebody to ask for something, and do it; False when the agent ends, or has to."""
        ready = select.select([self._line.fileno(), self._bell], [], [])[0]
        if self._bell in ready:
            os.eventfd_read(self._bell)
        if self._line.fileno() in ready:
            data = self._line.recv(65_536)
            if not data:
                return False
            self._reload_asked |= bool(list(self._reader.feed(data)))
        if self._switch_asked:
            self._switch_asked = False
            self._throw_switch()
        if self._reload_asked:
            self._reload_asked = False
            self._reload()
        return not self.again

    def _throw_switch(self) -> None:
        path = killswitch.place(self._config)
        try:
            if path is not None:
                killswitch.throw(path)
        except ConfigError as error:
            # What cannot be said by the file is done by hand: without a grant nobody is knocked at.
            self._log.error(str(error))
            self.again = True

    def _reload(self) -> None:
        PULSE.tell(RELOADING)
        try:
            config = self._reread()
            changed = changes(self._config, config)
            prove(config.agent, self._config.agent)
        except ConfigError as error:
            self._loaded = self._loaded.model_copy(update={"successful": False})
            self._log.error("configuration not reloaded", extra={"error": str(error)})
            self._tell_configuration()
            self._tell(Type.RELOADED, {"error": str(error)[:16_384], "restarted": []})
        else:
            self._take(config, changed)
        PULSE.tell(READY)

    def _take(self, config: Config, changed: Mapping[str, str]) -> None:
        # Where the pages are is not said by the configuration here, so nothing of the exporter's needs a new process.
        restarted = sorted(set(changed.values()) - {"nothing", "exporter"})
        self._config = config
        self._loaded = Loaded(time=time.time(), sha256=fingerprint(config))
        self._log.info("configuration reloaded", extra={"changed": ",".join(changed), "restarted": ",".join(restarted)})
        self._mark()
        self.again = "agent" in restarted
        if not self.again:
            self._tell_configuration()
        self._tell(Type.RELOADED, {"error": None, "restarted": restarted})
        if self.again:
            time.sleep(_COURTESY)

    def _mark(self) -> None:
        """Say to the units of prober and notifier whether one is wanted."""
        for name, wanted in ((ARMED, self._config.probe.armed), (RELAY, bool(self._config.notices.relay))):
            with suppress(OSError):
                if wanted:
                    (self._doors / name).touch(mode=0o644)
                else:
                    (self._doors / name).unlink(missing_ok=True)

    def _tell_configuration(self) -> None:
        body = {"config": self._config.model_dump(mode="json"), "loaded": self._loaded.model_dump()}
        self._tell(Type.CONFIGURATION, body)

    def _tell(self, kind: Type, body: dict[str, Any]) -> None:
        ipc.Link(self._line, frozenset()).send(kind, body)
