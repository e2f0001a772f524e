"""Orders: to the daemon that has the store, or in-process where none has; and what is told where neither can be."""

from __future__ import annotations

import os
import socket
import threading
from argparse import ArgumentParser, Namespace
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import pytest

from agent import ipc, orders
from agent.config import dump
from agent.errors import ConfigError, InputError, UnavailableError
from agent.ipc import Type
from agent.schema import lock
from agent.supervisor import Daemon
from tests import asking
from tests.agent import leaving
from tests.agent.leaving import NET, Clock

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path


def options(*words: str) -> Namespace:
    parser = ArgumentParser()
    orders.add_options(parser)
    return parser.parse_args(list(words))


def ordered(given: Namespace, verb: str, **words: Any) -> list[dict[str, Any]]:
    return list(orders.ordered(given, verb, words))


@pytest.fixture
def state(tmp_path: Path) -> Path:
    """A store with one customer, which nobody has open."""
    with leaving.opened(tmp_path, Clock()):
        pass
    return tmp_path / "state"


@pytest.fixture(autouse=True)
def nobody_else(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """No other daemon of this machine is found."""
    monkeypatch.delenv("STATE_DIRECTORY", raising=False)
    monkeypatch.setattr("agent.tuning.asking._places", lambda: [tmp_path])


# In-process.


def test_without_a_daemon_an_order_is_carried_out_here(state: Path) -> None:
    before = ordered(options("--state", str(state)), "consent.list")
    assert "agreed" in str(before)
    ordered(options("--state", str(state)), "consent.object", customer="agreed")
    assert "objection" in str(ordered(options("--state", str(state)), "probe.explain", address="192.0.2.1"))
    os.close(lock(state))  # nobody has it any more


def test_a_configuration_says_where_the_store_is(state: Path, tmp_path: Path) -> None:
    (tmp_path / "k.toml").write_text(dump(asking.config(tmp_path)))
    assert "agreed" in str(ordered(options("--config", str(tmp_path / "k.toml")), "consent.list"))


def test_several_orders_are_given_to_one_register(state: Path) -> None:
    with orders.opened(options("--state", str(state))) as give:
        with pytest.raises(InputError):
            give("consent.show", {"customer": 7})
        give("consent.object", {"customer": "agreed"})  # done, though nobody looks at what it says
        assert "objection" in str(list(give("probe.explain", {"address": "192.0.2.1"})))


def test_nothing_is_sent_where_no_daemon_runs(state: Path) -> None:
    with pytest.raises(UnavailableError, match="no daemon runs"):
        ordered(options("--state", str(state)), "probe.now", address="192.0.2.1")


def test_words_that_cannot_be_used_end_with_their_exit_code(state: Path) -> None:
    with pytest.raises(InputError) as fault:
        ordered(options("--state", str(state)), "probe.explain", address="192.0.2.1", port="x")
    assert fault.value.exit_code == 2


# Nobody there.


def test_with_neither_a_store_nor_a_daemon_it_says_where_it_looked(tmp_path: Path) -> None:
    with pytest.raises(UnavailableError, match="no daemon of ours is running") as fault:
        ordered(options(), "consent.list")
    assert fault.value.exit_code == 69 and str(tmp_path) in str(fault.value)


def test_a_socket_that_nobody_listens_at(tmp_path: Path) -> None:
    with pytest.raises(UnavailableError, match="no daemon answers: No such file"):
        ordered(options("--control", str(tmp_path / "none")), "consent.list")


def test_a_store_that_somebody_has_who_does_not_answer(state: Path) -> None:
    held = lock(state)
    with pytest.raises(UnavailableError):
        ordered(options("--state", str(state)), "consent.list")
    os.close(held)


def test_a_store_that_cannot_be_used(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(ConfigError, match="name a directory") as fault:
        ordered(options("--state", str(tmp_path / "file")), "consent.list")
    assert fault.value.exit_code == 78
    with pytest.raises(ConfigError, match="No such file"):
        ordered(options("--config", str(tmp_path / "none.toml")), "consent.list")


def test_a_log_that_cannot_be_used_leaves_no_lock(state: Path) -> None:
    (state / "signing.key").write_text("nonsense")
    with pytest.raises(ConfigError):
        ordered(options("--state", str(state)), "consent.list")
    os.close(lock(state))


# A daemon, as far as a client can tell.


@contextmanager
def answering(path: Path, *answers: Callable[[ipc.Link], object]) -> Iterator[list[dict[str, Any]]]:
    """Somebody who takes orders at a socket, and treats each as the next of these says; and the orders."""
    taken: list[dict[str, Any]] = []
    listener = socket.socket(socket.AF_UNIX)
    listener.bind(str(path))
    listener.listen()

    def serve() -> None:
        came, _ = listener.accept()
        link = ipc.Link(came, frozenset({Type.ORDER}))
        for answer in answers:
            received = link.receive()
            if received is None:
                break
            taken.append(received[1])
            answer(link)
        link.close()

    thread = threading.Thread(target=serve, daemon=True)
    thread.start()
    try:
        yield taken
    finally:
        listener.close()
        thread.join(60)


def error(code: int, *, ends: bool = True) -> Callable[[ipc.Link], object]:
    def answer(link: ipc.Link) -> None:
        link.send(Type.REPLY, {"error": "the words", "exit": code})
        if ends:
            link.send(Type.END, {"count": 0})

    return answer


def items(*said: dict[str, Any]) -> Callable[[ipc.Link], object]:
    def answer(link: ipc.Link) -> None:
        for item in said:
            link.send(Type.REPLY, {"item": item})
        link.send(Type.END, {"count": len(said)})

    return answer


@pytest.mark.parametrize(
    ("code", "kind"), [(2, InputError), (69, UnavailableError), (78, ConfigError), (1, ConfigError)]
)  # fmt: skip
def test_an_error_of_the_daemon_is_one_here(tmp_path: Path, code: int, kind: type[ConfigError]) -> None:
    with answering(tmp_path / "control", error(code)), pytest.raises(kind, match="the words") as fault:
        ordered(options("--control", str(tmp_path / "control")), "consent.list")
    assert type(fault.value) is kind


def test_after_an_error_the_next_order_gets_its_own_answer(tmp_path: Path) -> None:
    with (
        answering(tmp_path / "control", error(2), items({"a": 1}, {"b": 2}), items({"c": 3})) as taken,
        orders.opened(options("--control", str(tmp_path / "control"))) as give,
    ):
        with pytest.raises(InputError):
            give("one", {})
        assert next(give("two", {"x": 1})) == {"a": 1}
        assert list(give("three", {})) == [{"c": 3}], "what nobody looked at of the one before is not in the way"
    assert [order["verb"] for order in taken] == ["one", "two", "three"]
    assert taken[1]["words"] == {"x": 1}


BROKEN: dict[str, Callable[[ipc.Link], object]] = {
    "goes away": lambda link: link.close(),
    "goes away in the middle": lambda link: link.send(Type.REPLY, {"item": {}}) or link.close(),
    "goes away after an error": error(2, ends=False),
    "talks of something else": lambda link: link.send(Type.STATUS, {}),
    "talks nonsense": lambda link: link.connection.sendall(b"HTTP/1.1 400 Bad Request\r\n\r\n"),
    "is cut off": lambda link: link.connection.sendall(ipc.frame(Type.END, {"count": 0})[:-1]),
}


@pytest.mark.parametrize("name", BROKEN)
def test_a_daemon_that_does_not_answer_as_it_should(tmp_path: Path, name: str) -> None:
    with answering(tmp_path / "control", BROKEN[name]), pytest.raises(UnavailableError, match=str(tmp_path)):
        ordered(options("--control", str(tmp_path / "control")), "consent.list")


def test_a_daemon_that_hangs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(orders, "_SECONDS", 0.05)
    gate = threading.Event()
    with answering(tmp_path / "control", lambda link: gate.wait(60)):
        with pytest.raises(UnavailableError, match="does not answer"):
            ordered(options("--control", str(tmp_path / "control")), "consent.list")
        gate.set()


def test_an_order_that_is_too_long_says_so(tmp_path: Path) -> None:
    with (
        answering(tmp_path / "control", items({})) as taken,
        orders.opened(options("--control", str(tmp_path / "control"))) as give,
    ):
        with pytest.raises(InputError, match="more than one order can hold"):
            give("registry.rows", {"rows": ["x" * ipc.LIMITS[Type.ORDER]]})
        assert list(give("consent.list", {})) == [{}], "nothing of it was sent"
    assert [order["verb"] for order in taken] == ["consent.list"]


def test_a_daemon_takes_orders_at_its_control_socket(tmp_path: Path) -> None:
    """The real one, which has the store: by its socket, by its configuration, and by the store alone."""
    of = asking.config(tmp_path, probe={"armed": False})
    (tmp_path / "k.toml").write_text(dump(of))
    with Daemon(of) as daemon:
        assert daemon.wait_ready(60)
        control = options("--control", str(tmp_path / "control"))
        ordered(control, "consent.object", prefix=NET)
        for way in (control, options("--config", str(tmp_path / "k.toml"))):
            assert ordered(way, "probe.explain", address="192.0.2.1")[0]["reason"] == "not_armed"
            assert "objection" in str(ordered(way, "probe.explain", address="192.0.2.1")[1:])
        with pytest.raises(InputError):
            ordered(control, "consent.guess")
        assert ordered(control, "probe.now", address="192.0.2.1")[0]["reason"] == "not_armed"
        with pytest.raises(UnavailableError):
            # It is held, and no socket is named; that of this daemon is none that is looked for.
            ordered(options("--state", str(tmp_path / "state")), "consent.list")
    assert ordered(options("--state", str(tmp_path / "state")), "consent.list")
    with asking.office(of) as opened:
        kinds = [entry.kind for entry in opened.log.read()]
    assert (kinds[0], kinds[-2]) == ("log.started", "log.stopped")
