"""``knockfirst run``: starts the roles as child processes, hands them their sockets, and restarts what dies.

The supervisor opens every socket and the roles none: it listens for the exporter, listens at the agent's doors, and
connects each role to its door before the role starts. Listeners stay open here, so that a restarted agent finds its
doors where they were; the roles that were connected to the old one are handed a connection to the new one, and go on.

It also reads the configuration anew when it is asked to: all of it is checked, and every socket that it needs is open,
before anything that runs is told of it.
"""

from __future__ import annotations

import contextlib
import logging
import select
import socket
import threading
import time
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

from agent import ipc, killswitch
from agent.cast import AGENT, CAPTURE, DOORS, EXPORTER, ROLES, Role, cast
from agent.child import MOST_WAIT, NOT_PERMITTED, Child, end, spawn
from agent.config import changes, fingerprint
from agent.errors import ConfigError
from agent.ipc import Type
from agent.keeping import prove
from agent.logfmt import begin
from agent.messages import Loaded
from agent.notify import ALIVE, READY, notify
from agent.runtime import Runtime
from agent.sockets import LISTENERS, door, listeners, scheme_of

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from agent.sections import Config, Needs

INTERRUPTED = 130  # what shells say of SIGINT: a `--once` that has not read everything is no success
FAILED = 70  # EX_SOFTWARE of sysexits.h: a role of ours cannot be kept alive

PATIENCE = 8  # failures in a row after which the supervisor gives up, so that what supervises it learns of it
_LOOK = 0.05  # seconds between two looks at the children
_SETTLED = 2.0  # a role that lived this many seconds did not lack the right that it ended for before
_HEARS = 5.0  # seconds that the agent may take to hear us; below what systemd's watchdog waits for us
_COURTESY = 1.0  # seconds until a reload restarts a role: who asked for it may be one, and gets its answer first
_CHUNK = 65_536

_ANSWERS = frozenset({Type.STATUS, Type.ASSESSMENT, Type.END})


class Daemon:
    """The roles at work. ``with Daemon(config) as daemon:`` starts them, and ends them on the way out.

    ``patience``: failures in a row of one role before ``failed`` is set; 1 for a run that is to end by itself.
    ``reread``: gives the configuration as it is now, checked; raises ConfigError.
    """

    def __init__(self, config: Config, patience: int = PATIENCE, reread: Callable[[], Config] | None = None) -> None:
        self._config = config
        self._reread = reread or (lambda: self._config)
        self._loaded = Loaded(time=time.time(), sha256=fingerprint(config))
        self._reload_asked = False
        self._switch_asked = False
        self._patience = patience
        self._log = logging.getLogger("supervisor")
        self._children = [Child(role) for role in cast(config)]
        self._listeners: dict[str, socket.socket] = {}
        self._runtime = Runtime()
        self._watcher = threading.Thread(target=self._watch, name="watch", daemon=True)
        self._stop = threading.Event()
        self._given_up = False
        # What the daemon is to end with once ``failed`` is set: the operator's fault, if it was the last, or ours.
        self.exit_code = FAILED
        self.failed = threading.Event()

    def __enter__(self) -> Self:
        try:
            self.start()
        except BaseException:
            self.stop()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    @property
    def metrics_url(self) -> str:
        """Where the metrics are, with the port that was really taken."""
        return f"{self.url('listen')}/metrics"

    def url(self, name: str) -> str:
        """Where a listener of the exporter is: "listen", "answers" or "probing"."""
        host, port = self._listeners[name].getsockname()[:2]
        scheme = scheme_of(self._config.exporter) if name == "listen" else "http"
        return f"{scheme}://{f'[{host}]' if ':' in host else host}:{port}"

    @property
    def control_path(self) -> str:
        """Path of the control socket."""
        return self._path("control")

    def start(self) -> None:
        """Open the sockets and start every role. Raises ConfigError where an address or path cannot be had."""
        self._listeners |= listeners(self._config.exporter)
        for name in DOORS:
            self._listeners[name] = door(self._path(name))
        for child in self._children:
            self._begin(child)
        self._watcher.start()
        notify(READY)

    def stop(self) -> None:
        """End every role, the last started first, and take away what was made for them. May be called twice."""
        self._stop.set()
        if self._watcher.is_alive():
            self._watcher.join()
        for child in reversed(self._children):
            end(child)
        for name, listener in self._listeners.items():
            listener.close()
            if name == "control":
                Path(self.control_path).unlink(missing_ok=True)
        self._listeners.clear()
        self._runtime.remove()

    def status(self, timeout: float = 10.0) -> dict[str, Any]:
        """The agent's own account: ready, not_ready, finished, unreadable, servers. Raises OSError while it is away."""
        for kind, body in self._asked({"what": "status"}, timeout):
            if kind is Type.STATUS:
                return body
        raise ConnectionError("the agent went away in the middle of its answer")

    def assessments(self, timeout: float = 60.0) -> list[dict[str, Any]]:
        """What is believed of every server, in the form of ``agent.report.as_json``. Raises OSError."""
        return [body for kind, body in self._asked({"what": "assessments"}, timeout) if kind is Type.ASSESSMENT]

    def wait_ready(self, timeout: float) -> bool:
        """True as soon as the metrics can be relied on; False after ``timeout`` seconds, or if a role cannot live."""
        return self._wait("ready", timeout)

    def wait_finished(self, timeout: float | None) -> bool:
        """True as soon as every input has been read and is shown; False as in ``wait_ready``, or once stopped."""
        return self._wait("finished", timeout)

    def wait_end(self) -> None:
        """Return when the daemon was given up or a role cannot be kept alive."""
        while self._at_work():
            time.sleep(_LOOK)

    def give_up(self) -> None:
        """End every wait. Only a flag, because it is called from a signal's catcher, where no lock may be taken."""
        self._given_up = True

    def reload(self) -> None:
        """Read the configuration anew, soon. Only a flag, as in ``give_up``."""
        self._reload_asked = True

    def kill_switch(self) -> None:
        """Nobody is knocked at any more, soon. Only a flag, as in ``give_up``."""
        self._switch_asked = True

    def _at_work(self) -> bool:
        return not (self._given_up or self._stop.is_set() or self.failed.is_set())

    def _wait(self, what: str, timeout: float | None) -> bool:
        deadline = None if timeout is None else time.monotonic() + timeout
        while self._at_work():
            with contextlib.suppress(OSError):
                if self.status()[what]:
                    return True
            if deadline is not None and time.monotonic() >= deadline:
                return False
            time.sleep(_LOOK)
        return False

    def _asked(self, question: dict[str, Any], timeout: float) -> Iterator[tuple[Type, dict[str, Any]]]:
        link = ipc.connect(self.control_path, _ANSWERS, timeout)
        try:
            link.send(Type.ASK, question)
            while (received := link.receive()) is not None:
                yield received
                if received[0] in (Type.STATUS, Type.END):
                    return
            raise ConnectionError("the agent went away in the middle of its answer")
        finally:
            link.close()

    def _path(self, name: str) -> str:
        return (self._config.agent.control if name == "control" else "") or self._runtime.path(name)

    def _watch(self) -> None:
        alive = float("-inf")
        while not self._stop.wait(_LOOK):
            now = time.monotonic()
            if now - alive >= 1.0:
                notify(ALIVE)
                alive = now
            try:
                self._look(now)
            except Exception:
                # Without this thread nothing would be restarted any more, and nobody would know.
                self._log.exception("the supervisor failed")
                self.failed.set()
                return

    def _look(self, now: float) -> None:
        for child in list(self._children):
            child.retire(now)
            code = child.ended(now, orphaned=self._orphaned(child))
            if code is not None:
                self._lost(child, code)
            elif child.process is None and now >= child.due and self._may_begin(child):
                self._begin(child)
        self._tell_permission(now)
        if self._switch_asked:
            self._switch_asked = False
            self._throw_switch()
        if self._reload_asked or self._is_asked():
            self._reload_asked = False
            self._reload()

    def _throw_switch(self) -> None:
        path = killswitch.place(self._config)
        try:
            if path is not None:
                killswitch.throw(path)
        except ConfigError as error:
            # What cannot be said by the file is done by hand: without a prober nobody is knocked at.
            self._log.error(str(error))
            self._given_up = True

    def _may_begin(self, child: Child) -> bool:
        """Whether there is an agent for it: who begins before would meet the next one twice."""
        agent = self._children[0]
        return not self.failed.is_set() and (child is agent or (agent.process is not None and agent.retiring is None))

    def _orphaned(self, child: Child) -> bool:
        """Whether the agent that this role was connected to has gone."""
        agent = self._children[0]
        return child is not agent and (agent.process is None or agent.started > child.started)

    def _lost(self, child: Child, code: int) -> None:
        name = child.role.name
        self._log.warning("role ended", extra={"name_of_role": name, "exit": code, "in_a_row": child.failures})
        if code == NOT_PERMITTED:
            self._log.error("role lacks a right", extra={"name_of_role": name, "tried_again_in": MOST_WAIT})
        if code == ConfigError.exit_code:
            # What the operator has to mend is as wrong the next time; the role's own line says what it is.
            self.exit_code = code
            self.failed.set()
        elif child.failures >= self._patience:
            self._log.error("role cannot be kept alive", extra={"name_of_role": name})
            self.exit_code = FAILED
            self.failed.set()

    def _begin(self, child: Child) -> None:
        child.started = time.monotonic()
        try:
            self._start_agent(child) if child.role is AGENT else self._start_role(child)
        except OSError as error:
            child.failures += 1
            child.due = child.started + MOST_WAIT
            self._log.error("role cannot be started", extra={"name_of_role": child.role.name, "error": str(error)})

    def _start_agent(self, child: Child) -> None:
        ours, theirs = socket.socketpair()
        with theirs:
            handed = {name: self._listeners[name] for name in DOORS} | {"supervisor": theirs}
            child.process = spawn(child.role.module, handed)
        if child.lifeline is not None:
            child.lifeline.close()
        child.lifeline = ours
        child.reader = ipc.Reader(frozenset({Type.RELOAD}))
        ours.settimeout(_HEARS)
        self._tell_configuration()
        for other in self._children[1:]:
            if other.process is None:
                continue
            if other.role is CAPTURE and self._config.capture.files:
                # Files are read for a new agent by new processes, of which any one may be the one that reads them.
                other.retiring = time.monotonic()
            else:
                self._introduce(other)

    def _start_role(self, child: Child) -> None:
        ours, theirs = socket.socketpair()
        with theirs, self._link(child.role) as link:
            handed = {"agent": link, "lifeline": theirs}
            if child.role is EXPORTER:
                handed |= {name: self._listeners[name] for name in LISTENERS if name in self._listeners}
            child.process = spawn(child.role.module, handed)
        if child.lifeline is not None:
            child.lifeline.close()
        child.lifeline = ours

    def _introduce(self, child: Child) -> None:
        """Hand a role that lives a connection to the agent that is new; it ends where that cannot be done."""
        assert child.process and child.lifeline
        try:
            with self._link(child.role) as link:
                ipc.hand_over(child.lifeline, link)
        except OSError:
            child.process.kill()

    def _link(self, role: Role) -> socket.socket:
        link = ipc.connect(self._runtime.path(role.door), frozenset()).connection
        link.settimeout(None)
        return link

    def _tell_configuration(self) -> None:
        body = {"config": self._config.model_dump(mode="json"), "loaded": self._loaded.model_dump()}
        self._children[0].tell(Type.CONFIGURATION, body)

    def _tell_permission(self, now: float) -> None:
        """Tell the agent when capture lacks the right to look, and when it no longer does."""
        for child in self._children:
            if child.process is not None and now - child.started >= _SETTLED:
                child.not_permitted = False
        missing = any(child.not_permitted for child in self._children)
        if missing != self._loaded.not_permitted:
            self._loaded = self._loaded.model_copy(update={"not_permitted": missing})
            self._tell_configuration()

    def _is_asked(self) -> bool:
        """Whether the agent passes on that somebody wants a reload."""
        agent = self._children[0]
        if agent.process is None or agent.lifeline is None or not select.select([agent.lifeline], [], [], 0)[0]:
            return False
        try:
            return bool(list(agent.reader.feed(agent.lifeline.recv(_CHUNK))))
        except (OSError, ipc.Unexpected):
            agent.process.kill()
            return False

    def _reload(self) -> None:
        try:
            config = self._reread()
            changed = changes(self._config, config)
            prove(config.agent, self._config.agent)
            self._replace_sockets(config, changed)
        except ConfigError as error:
            self._loaded = self._loaded.model_copy(update={"successful": False})
            self._log.error("configuration not reloaded", extra={"error": str(error)})
            self._tell_configuration()
            self._children[0].tell(Type.RELOADED, {"error": str(error)[: _CHUNK // 4], "restarted": []})
            return
        needs = set(changed.values()) - {"nothing"}
        restarted = [role for role in ROLES if role.name in needs]
        if config.log != self._config.log:
            begin("supervisor", config.log.level, config.log.format)
        self._config = config
        self._loaded = Loaded(time=time.time(), sha256=fingerprint(config), not_permitted=self._loaded.not_permitted)
        if AGENT not in restarted:
            self._tell_configuration()
        names = [role.name for role in restarted]
        self._log.info("configuration reloaded", extra={"changed": ",".join(changed), "restarted": ",".join(names)})
        self._children[0].tell(Type.RELOADED, {"error": None, "restarted": names})
        self._restart(restarted)

    def _replace_sockets(self, config: Config, changed: Mapping[str, Needs]) -> None:
        """Open what the new configuration names, and only then let go of what the old one did. Raises ConfigError."""
        keys = [key for key in LISTENERS if f"exporter.{key}" in changed]
        opened = listeners(config.exporter, keys, self._listeners)
        if "agent.control" in changed:
            try:
                opened["control"] = door(config.agent.control or self._runtime.path("control"))
            except ConfigError:
                for listener in opened.values():
                    listener.close()
                raise
            Path(self.control_path).unlink(missing_ok=True)
        for name in {*opened, *keys} & self._listeners.keys():
            self._listeners.pop(name).close()
        self._listeners |= opened

    def _restart(self, roles: list[Role]) -> None:
        """End these roles in a moment, that they be started anew."""
        due = time.monotonic() + _COURTESY
        wanted = Counter(cast(self._config))
        for child in list(self._children):
            wanted[child.role] -= 1
            if wanted[child.role] < 0:
                self._children.remove(child)
                end(child)
        self._children += [Child(role) for role, lacking in wanted.items() for _ in range(lacking)]
        for child in self._children:
            if child.role in roles:
                child.retiring = due
