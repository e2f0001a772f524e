"""The units, by a real systemd: what comes up, what each role may, and what if one dies, hangs or is told anew."""

from __future__ import annotations

import json
from collections.abc import Callable

import pytest

from tests.asking import until
from tests.systemd.conftest import CONFIGURATION, ROLES
from tests.systemd.machine import Machine

_GET = 'import urllib.request as r; print(r.urlopen("http://127.0.0.1:10125{}", timeout=20).read().decode())'
_PAGE = f"python3 -c '{_GET}'"
_READY = _PAGE.format("/-/ready")
_FILE = "/etc/knockfirst/knockfirst.toml"
_SOON = "/run/systemd/system/knockfirst-agent.service.d"
# Connects from within a role's control group: what the kernel says of its packets, it says of these.
_KNOCK = (
    "echo $$ >/sys/fs/cgroup/knockfirst.slice/knockfirst-ROLE.service/cgroup.procs; exec python3 -c '"
    'import errno, socket; s = socket.socket(); s.settimeout(0.5); print(errno.errorcode[s.connect_ex(("{}", 9))])\''
)

# All of them are the machine's own, and their ports closed: who is let through is refused, and all others wait in vain.
DROPPED = "EAGAIN"
NEVER = "EAFNOSUPPORT"
# What each role may (agent, capture, exporter, prober, notifier), and what it is told where it may not.
MAY: dict[str, tuple[str, str, str, str, str]] = {
    "unix": ("done", "done", "done", "done", "done"),
    "inet": (NEVER, NEVER, NEVER, "done", "done"),
    "inet6": (NEVER, NEVER, NEVER, "done", "done"),
    "raw": (NEVER, NEVER, NEVER, "EPERM", "EPERM"),
    "packet": (NEVER, "done", NEVER, NEVER, NEVER),
    "netlink": (NEVER, "done", NEVER, NEVER, NEVER),
    "listen": (NEVER, NEVER, NEVER, "EPERM", "EPERM"),
    "write /etc": ("EROFS",) * 5,
    "write /usr": ("EROFS",) * 5,
    "write state": ("done", "EACCES", "EACCES", "EACCES", "EACCES"),
    "read state": ("done", "EACCES", "EACCES", "EACCES", "EACCES"),
    "read configuration": ("done", "EACCES", "EACCES", "EACCES", "ENOENT"),
    "read home": ("EACCES",) * 5,
    "capture's door": ("done", "done", "EACCES", "EACCES", "EACCES"),
    "exporter's door": ("done", "EACCES", "done", "EACCES", "EACCES"),
    "prober's door": ("done", "EACCES", "EACCES", "done", "EACCES"),
    "notifier's door": ("done", "EACCES", "EACCES", "EACCES", "done"),
    "relay's password": ("ENOENT", "ENOENT", "ENOENT", "ENOENT", "done"),
    "read credentials": ("EACCES",) * 5,
    "control": ("done", "EACCES", "EACCES", "EACCES", "EACCES"),
    "memory W+X": ("EPERM",) * 5,
    "namespace": ("EPERM",) * 5,
    "clock": ("EPERM",) * 5,
    "others' processes": ("ESRCH",) * 5,
    "kernel's log": ("ENOENT",) * 5,
    "read disk": ("ENOENT",) * 5,
}


def of(machine: Machine, role: str, what: str) -> str:
    return machine.run(f"systemctl show -p {what} knockfirst-{role}.service").partition("=")[2]


def pids(machine: Machine, *roles: str) -> dict[str, str]:
    return {role: of(machine, role, "MainPID") for role in roles}


def reached(machine: Machine, role: str = "prober") -> set[str]:
    return set(of(machine, role, "IPAddressAllow").split())


def knocked(machine: Machine, address: str, role: str = "prober") -> str:
    return machine.run(_KNOCK.replace("ROLE", role).format(address))


def waited(what: Callable[[], bool]) -> None:
    assert until(what), "in vain"


def configure(machine: Machine, text: str) -> None:
    machine.run(f"cat >{_FILE} <<'END'\n{text}\nEND\nsystemctl reload knockfirst-agent.service")


def metric(machine: Machine, name: str) -> str:
    """The one line of a metric; "" while there is none."""
    lines = machine.run(_PAGE.format("/metrics")).splitlines()
    return next((line.rpartition(" ")[2] for line in lines if line.startswith(name)), "")


@pytest.fixture
def ready(machine: Machine) -> Machine:
    """The machine, with everything up and ready."""
    machine.until(_READY)
    return machine


def test_all_of_it_comes_up_and_nothing_fails(ready: Machine) -> None:
    assert ready.run("systemctl --failed --no-legend") == ""
    for role in ("agent", "capture", "exporter"):
        assert of(ready, role, "ActiveState") == "active"
    assert of(ready, "prober", "ActiveState") == "inactive"
    waited(lambda: metric(ready, "knockfirst_ready") == "1.0")
    waited(lambda: metric(ready, 'knockfirst_ipc_connections_total{door="exporter"}') == "1.0")


def test_the_pages_are_at_every_address_of_the_socket_unit(ready: Machine) -> None:
    for host in ("127.0.0.1", "[::1]"):
        assert ready.run(_PAGE.format("/-/healthy").replace("127.0.0.1", host)) == "healthy"


def test_each_says_how_it_is_in_numbers_alone(ready: Machine) -> None:
    for role in ("agent", "capture", "exporter"):
        waited(lambda role=role: of(ready, role, "StatusText") != "")  # type: ignore[misc]
        words = dict(word.split("=") for word in of(ready, role, "StatusText").split())
        assert all(number.isdecimal() for number in words.values())


def test_each_role_is_a_user_of_its_own_and_holds_no_more_than_it_needs(ready: Machine) -> None:
    held = {
        role: ready.run(f"grep -hE '^(Uid|CapEff|CapPrm|CapBnd|CapAmb)' /proc/{pid}/status").split()
        for role, pid in pids(ready, "agent", "capture", "exporter").items()
    }
    assert len({words[1] for words in held.values()} | {"0"}) == 4
    for role, words in held.items():
        sets = dict(zip(words[5::2], words[6::2], strict=True))
        packets = f"{1 << 13:016x}"
        allowed = packets if role == "capture" else "0" * 16
        assert (sets["CapEff:"], sets["CapPrm:"], sets["CapBnd:"]) == (allowed,) * 3
        assert sets["CapAmb:"] == "0" * 16


def test_an_agent_that_is_killed_comes_again_and_the_others_go_on(ready: Machine) -> None:
    before = pids(ready, "capture", "exporter")
    agent = of(ready, "agent", "MainPID")
    ready.run(f"kill -KILL {agent}")
    waited(lambda: of(ready, "agent", "MainPID") not in ("0", agent))
    ready.until(_READY)
    assert pids(ready, "capture", "exporter") == before


@pytest.mark.parametrize("role", ["capture", "exporter"])
def test_another_role_that_is_killed_comes_again(ready: Machine, role: str) -> None:
    agent, gone = of(ready, "agent", "MainPID"), of(ready, role, "MainPID")
    ready.run(f"kill -KILL {gone}")
    waited(lambda: of(ready, role, "MainPID") not in ("0", gone))
    ready.until(_READY)
    assert of(ready, "agent", "MainPID") == agent


def test_one_that_hangs_is_ended_by_the_watchdog(ready: Machine) -> None:
    # Soon, but of this one alone and now alone: on a busy machine others are not to be ended for being late.
    ready.run(f"mkdir -p {_SOON}; printf '[Service]\nWatchdogSec=3\n' >{_SOON}/soon.conf; systemctl daemon-reload")
    ready.run("systemctl restart knockfirst-agent")
    ready.until(_READY)
    hangs = of(ready, "agent", "MainPID")
    ready.run(f"kill -STOP {hangs}")
    waited(lambda: of(ready, "agent", "MainPID") not in ("0", hangs))
    ready.run(f"rm -r {_SOON}; systemctl daemon-reload; systemctl restart knockfirst-agent")
    ready.until(_READY)


def test_a_reload_restarts_those_alone_that_it_has_to(ready: Machine) -> None:
    plain = CONFIGURATION.format(armed="false")
    before = pids(ready, "agent", "capture", "exporter")
    configure(ready, plain.replace('["192.0.2.0/24"]', '["192.0.2.0/24", "198.51.100.0/24"]'))
    waited(lambda: metric(ready, 'knockfirst_prefixes{tier="handshakes"}') == "2.0")
    assert pids(ready, "agent", "capture", "exporter") == before

    configure(ready, plain.replace("ring_mib", "rings"))
    waited(lambda: metric(ready, "knockfirst_config_last_reload_successful") == "0.0")
    assert pids(ready, "agent", "capture", "exporter") == before

    configure(ready, plain.replace("ring_mib = 4", "ring_mib = 2"))
    waited(lambda: of(ready, "capture", "MainPID") not in ("0", before["capture"]))
    ready.until(_READY)
    waited(lambda: metric(ready, "knockfirst_config_last_reload_successful") == "1.0")
    assert pids(ready, "agent", "exporter") == {role: before[role] for role in ("agent", "exporter")}

    configure(ready, plain + "[agent]\nmax_servers = 9\n")
    waited(lambda: of(ready, "agent", "MainPID") not in ("0", before["agent"]))
    waited(lambda: metric(ready, "knockfirst_inventory_servers_limit") == "9.0")
    assert of(ready, "exporter", "MainPID") == before["exporter"]
    assert of(ready, "agent", "Result") == "success"


def test_a_faulty_configuration_keeps_the_agent_from_beginning_and_the_rest_says_so(ready: Machine) -> None:
    ready.run(f"sed -i s/ring_mib/rings/ {_FILE}; systemctl restart knockfirst-agent", check=False)
    waited(lambda: of(ready, "agent", "ActiveState") == "failed")
    assert of(ready, "agent", "ExecMainStatus") == "78"
    ready.until("journalctl -u knockfirst-agent --no-pager | tail -5 | grep 'capture.rings: no such key'")
    ready.until(_READY + " 2>&1 | tail -1 | grep 503")
    assert of(ready, "exporter", "ActiveState") == "active"
    ready.run(f"sed -i s/rings/ring_mib/ {_FILE}; systemctl start knockfirst-agent")
    ready.until(_READY)


def test_a_prober_is_there_where_probes_are_armed_and_reaches_whom_the_register_names_alone(ready: Machine) -> None:
    ready.run("systemctl stop knockfirst-agent")
    ready.run("setpriv --reuid knockfirst --regid knockfirst --clear-groups /opt/knockfirst/bin/python3 /etc/enrol.py")
    ready.run("systemctl start knockfirst-agent")
    ready.until(_READY)
    assert of(ready, "prober", "ActiveState") == "inactive"

    configure(ready, CONFIGURATION.format(armed="true"))
    waited(lambda: of(ready, "prober", "ActiveState") == "active")
    waited(lambda: reached(ready) == {"192.0.2.0/28", "203.0.113.0/28"})
    assert knocked(ready, "192.0.2.1") == "ECONNREFUSED"
    assert knocked(ready, "198.51.100.1") == DROPPED
    assert knocked(ready, "127.0.0.1") == DROPPED

    agent, prober = of(ready, "agent", "MainPID"), of(ready, "prober", "MainPID")
    ready.run("knockfirst consent object --control /run/knockfirst/control --customer C-1")
    waited(lambda: reached(ready) == {"203.0.113.0/28"})
    assert knocked(ready, "192.0.2.1") == DROPPED
    assert pids(ready, "agent", "prober") == {"agent": agent, "prober": prober}

    configure(ready, CONFIGURATION.format(armed="false"))
    waited(lambda: of(ready, "prober", "ActiveState") == "inactive")


def test_a_notifier_is_there_where_there_is_a_relay_and_reaches_that_alone(ready: Machine) -> None:
    assert of(ready, "notifier", "ActiveState") == "inactive"
    ready.run("echo 192.0.2.1 relay.isp.example >>/etc/hosts")
    relay = '[notices]\nrelay = "relay.isp.example:587"\nsender = "notices@isp.example"\n'
    configure(ready, CONFIGURATION.format(armed="false") + relay)
    waited(lambda: of(ready, "notifier", "ActiveState") == "active")
    waited(lambda: reached(ready, "notifier") == {"192.0.2.1/32"})
    assert knocked(ready, "192.0.2.1", "notifier") == "ECONNREFUSED"
    assert knocked(ready, "198.51.100.1", "notifier") == DROPPED
    assert knocked(ready, "127.0.0.1", "notifier") == DROPPED
    agent, first = of(ready, "agent", "MainPID"), of(ready, "notifier", "MainPID")

    configure(ready, CONFIGURATION.format(armed="false") + relay.replace("relay.isp.example:", "198.51.100.1:"))
    waited(lambda: reached(ready, "notifier") == {"198.51.100.1/32"})
    waited(lambda: of(ready, "notifier", "MainPID") not in ("0", first))

    configure(ready, CONFIGURATION.format(armed="false") + relay + 'user = "notices"\n')
    waited(lambda: of(ready, "notifier", "ExecMainStatus") == "78")
    ready.until("journalctl -u knockfirst-notifier | grep 'needs the credential relay-password'")
    ready.run("install -d -m 0700 /etc/credstore; echo secret >/etc/credstore/knockfirst.relay-password")
    ready.run("systemctl start knockfirst-notifier")
    assert of(ready, "notifier", "ActiveState") == "active"

    configure(ready, CONFIGURATION.format(armed="false"))
    waited(lambda: of(ready, "notifier", "ActiveState") == "inactive")
    assert of(ready, "agent", "MainPID") == agent


def test_each_role_may_what_it_must_and_nothing_else(ready: Machine) -> None:
    ready.run("install -d -m 0700 /etc/credstore; echo secret >/etc/credstore/knockfirst.relay-password")
    came = {}
    for role in ROLES:
        ready.run(f"systemctl start trial-{role}")
        came[role] = json.loads(ready.run(f"cat /run/{role}"))
    assert {name: tuple(came[role][name] for role in ROLES) for name in came["agent"]} == MAY


def test_further_listeners_and_workers_are_units_that_may_be_enabled(ready: Machine) -> None:
    configure(ready, CONFIGURATION.format(armed="false") + "[agent]\nmax_servers = 8\n")
    ready.run(f"sed -i 's/^ring_mib/workers = 2\\n&/' {_FILE}")
    ready.run("systemctl enable knockfirst-answers.socket knockfirst-probing.socket knockfirst-capture@2")
    ready.run("systemctl restart knockfirst.target")
    ready.until(_READY)
    ready.until("systemctl is-active knockfirst-capture@2")
    waited(lambda: metric(ready, 'knockfirst_ipc_connections_total{door="capture"}') == "2.0")
    for port, said in (("10126", "<!DOCTYPE html>"), ("10127", "404")):
        ready.until(_PAGE.format("/").replace("10125", port) + f" 2>&1 | grep '{said}'")


def test_a_command_finds_the_daemon_by_itself(ready: Machine) -> None:
    assert ready.run("knockfirst top --once --interval 0.5")


def test_all_of_it_ends_with_its_target(machine: Machine) -> None:
    machine.run("systemctl stop knockfirst.target")
    for role in ("agent", "capture", "exporter"):
        waited(lambda role=role: of(machine, role, "ActiveState") == "inactive")  # type: ignore[misc]
        assert of(machine, role, "Result") == "success"
