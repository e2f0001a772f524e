"""The package in a Debian that boots: from README's first line to an alert, then an upgrade, a removal and a purge.

What is stood in for: Prometheus is this machine's own program under a plain unit, and scrapes each second; Grafana is
not to be had, so its unit does nothing, and what it would ask is asked of Prometheus; traffic is made up. There is no
network: apt has what the package depends on already. The tests stand in the order of a package's life.
"""

from __future__ import annotations

import json
import os
import re
import shutil
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
import yaml

from package.deb import CONFIGURATION
from tests.package.built import later, the_package
from tests.systemd.conftest import debian
from tests.systemd.machine import SOURCE, Machine

if TYPE_CHECKING:
    from collections.abc import Iterator

ALERT = "KnockfirstExploitedHole"
_GET = 'import urllib.request as r; print(r.urlopen("http://127.0.0.1:10125{}", timeout=20).read().decode())'
_READY = f"python3 -c '{_GET}'".format("/-/ready")
_SEEN = f"python3 -c '{_GET}' | grep -E '^knockfirst_capture_frames_total.* [1-9]'".format("/metrics")
_STORE = "/var/lib/knockfirst/knockfirst.sqlite"
_PROGRAMS = ("prometheus", "promtool")
_UNIT = "[Service]\nExecStart={}\n"
_PROMETHEUS = (
    "/usr/bin/prometheus --config.file=/etc/prometheus/prometheus.yml --storage.tsdb.path=/run/prometheus "
    "--web.listen-address=127.0.0.1:9090"
)
# A mail server of an old build answers a client, at the far end of the line that is looked at.
_TRAFFIC = """/opt/knockfirst/bin/python3 -I -c '
import socket
from agent.lab import servers
line = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, 0)
line.bind(("far", 0))
for frame in servers.exchange("2019", "192.0.2.19", "EX19", "harbour.example", build="15.2.858.5").visited():
    line.send(frame.data)
'"""
# Everything that is in the file system, but for what packages and systemd note down of themselves. dpkg takes an empty
# /opt away with the last package that was in it.
_FILES = (
    "find / -xdev -path /opt -o -path /tmp -prune -o -path /root -prune -o -path /var/cache -prune"
    " -o -path /var/log -prune -o -path /var/lib/dpkg -prune -o -path /var/lib/apt -prune"
    " -o -path /var/lib/systemd -prune -o -print | sort"
)
_INSTALL = (
    "cd /root && DEBIAN_FRONTEND=noninteractive apt-get -q -y -o Dpkg::Options::=--force-confold install ./{} 2>&1"
)


def commands() -> list[str]:
    """The lines of README's section, in their order, without what is said beside them."""
    section = re.search(r"^## Install$(.*?)^## ", (SOURCE / "README.md").read_text(), re.M | re.S)
    assert section
    lines = [line[4:] for line in section[1].splitlines() if line.startswith("    ")]
    return [re.sub(r" {2,}#.*", "", line) for line in lines]


@pytest.fixture(scope="module")
def bare(ahead: None) -> Iterator[Machine]:
    """A machine without anything of ours, and with what the lines find beside it."""
    missing = [tool for tool in _PROGRAMS if shutil.which(tool) is None]
    if missing:
        assert os.environ.get("CI") != "true", f"missing where CI=true: {missing} (Debian package prometheus)"
        pytest.skip(f"needs {', '.join(missing)}")
    package = the_package()
    etc = {
        "systemd/system/prometheus.service": _UNIT.format(_PROMETHEUS),
        "systemd/system/grafana-server.service": _UNIT.format("/bin/sleep infinity"),
        "prometheus/prometheus.yml": "",
        "grafana/provisioning/dashboards/sample.yaml": "",
    }
    programs = [Path("/usr/bin", name) for name in _PROGRAMS]
    with Machine(debian(), etc, bare=True, programs=programs) as machine:
        machine.put(package, "/root")
        machine.run("mkdir -p /run/before; cp /etc/passwd /etc/group /run/before/; " + _FILES + " >/run/before/files")
        yield machine


def active(machine: Machine, role: str) -> str:
    return machine.run(f"systemctl show -P ActiveState knockfirst-{role}.service")


def pid(machine: Machine, role: str) -> str:
    return machine.run(f"systemctl show -P MainPID knockfirst-{role}.service")


def test_the_lines_of_the_readme_lead_from_the_package_to_an_alert(bare: Machine) -> None:
    said = {}
    for line in commands():
        if line == "systemctl restart prometheus":
            bare.run("sed -i 's/30s/1s/' /etc/prometheus/prometheus.yml")
        if line == "knockfirst doctor":
            bare.until(_READY)
            bare.until(f"{_TRAFFIC}; {_SEEN}")
        if line.startswith("promtool query"):
            bare.until(f"{_TRAFFIC}; {line} | grep {ALERT}")
        said[line] = bare.run(f"cd /root; {line}", seconds=600)
    assert "not started; name interfaces and prefixes" in said[commands()[0]]
    assert bare.run("systemctl is-enabled knockfirst.target") == "enabled"
    assert bare.run("systemctl --failed --no-legend") == ""
    assert [active(bare, role) for role in ("agent", "capture", "exporter")] == ["active"] * 3


def test_the_same_alert_is_in_the_file_for_grafana_and_its_question_has_an_answer(bare: Machine) -> None:
    firing = bare.run("promtool query instant http://127.0.0.1:9090 'ALERTS{alertstate=\"firing\"}'")
    assert f'alertname="{ALERT}"' in firing
    managed = yaml.safe_load(bare.run("cat /etc/grafana/provisioning/alerting/knockfirst.yml"))
    rules: dict[str, Any] = {rule["title"]: rule for group in managed["groups"] for rule in group["rules"]}
    asked = rules[ALERT]["data"][0]["model"]["expr"]
    ours: dict[str, str] = {}
    for name in ("alerts", "recording"):
        text = yaml.safe_load(bare.run(f"cat /etc/prometheus/rules/knockfirst.{name}.yml"))
        ours |= {
            rule[name.removesuffix("ing").removesuffix("s")]: rule["expr"]
            for group in text["groups"]
            for rule in group["rules"]
        }
    same = ours[ALERT]
    for recorded, meant in ours.items():
        same = same.replace(recorded, f"({meant})") if ":" in recorded else same
    assert asked == same
    answer = json.loads(bare.run(f"promtool query instant -o json http://127.0.0.1:9090 '{asked}'"))
    assert answer
    source = yaml.safe_load(bare.run("cat /etc/grafana/provisioning/datasources/knockfirst.yml"))["datasources"][0]
    assert (source["uid"], source["url"]) == (rules[ALERT]["data"][0]["datasourceUid"], "http://127.0.0.1:9090")


def test_the_command_its_libraries_and_its_units_are_whole(bare: Machine) -> None:
    assert bare.run("/usr/bin/knockfirst --version") == bare.run("dpkg-query -W -f 'knockfirst ${Version}' knockfirst")
    assert bare.run("dpkg --verify knockfirst | grep -v -e /usr/share/doc -e /usr/share/man", check=False) == (
        f"??5?????? c {CONFIGURATION}"
    )
    assert "not found" not in bare.run("find /opt/knockfirst/lib -name '*.so*' -exec ldd {} +")
    units = bare.run("ls /usr/lib/systemd/system | grep knockfirst | sed 's/@/@2/'").split()
    assert len(units) > 10
    assert bare.run(f"systemd-analyze verify {' '.join(units)} 2>&1") == ""
    assert bare.run(f"stat -c '%a %U %G' {CONFIGURATION}") == "640 root knockfirst"
    # Lists of customers and of who objected lie beside it, with whatever rights an editor gives them.
    assert bare.run(f"stat -c '%a %U %G' {CONFIGURATION.rpartition('/')[0]}") == "750 root knockfirst"


def test_an_upgrade_keeps_the_configuration_restarts_what_runs_and_says_what_it_means(bare: Machine) -> None:
    kept = bare.run(f"cat {CONFIGURATION}")
    before = [pid(bare, role) for role in ("agent", "capture", "exporter")]
    newer = later(the_package(), "1.0.0")
    bare.put(newer, "/root")
    said = bare.run(_INSTALL.format(newer.name), seconds=600)
    assert "brings the store from version" in said
    assert "knockfirst: restarted" in said
    assert bare.run(f"cat {CONFIGURATION}") == kept
    assert "# new" in bare.run(f"cat {CONFIGURATION}.dpkg-dist")
    bare.until(_READY)
    after = [pid(bare, role) for role in ("agent", "capture", "exporter")]
    assert not set(before) & set(after)
    number = f'import sqlite3; print(sqlite3.connect("{_STORE}").execute("PRAGMA user_version").fetchone()[0])'
    assert int(bare.run(f"python3 -c '{number}'")) == int(said.partition("from version ")[2].split()[2])


def test_an_upgrade_that_cannot_use_the_configuration_lets_the_old_one_run_on_and_says_why(bare: Machine) -> None:
    bare.run(f"sed -i 's/^interfaces/interfazes/' {CONFIGURATION}")
    newest = later(the_package(), "1.0.1")
    bare.put(newest, "/root")
    before = pid(bare, "agent")
    said = bare.run(_INSTALL.format(newest.name), seconds=600)
    assert "capture.interfazes: no such key; did you mean interfaces?" in said
    assert "knockfirst: not restarted; mend" in said
    assert (pid(bare, "agent"), bare.run("dpkg-query -W -f '${Status}' knockfirst")) == (before, "install ok installed")
    bare.run(f"sed -i 's/^interfazes/interfaces/' {CONFIGURATION}; systemctl restart knockfirst.target")
    bare.until(_READY)


def test_a_removal_stops_it_and_keeps_configuration_and_store(bare: Machine) -> None:
    kept = bare.run(f"cat {CONFIGURATION}")
    bare.run("apt-get -q -y remove knockfirst 2>&1")
    assert bare.run("systemctl list-units --no-legend 'knockfirst*'") == ""
    assert bare.run("pgrep -f /opt/knockfirst", check=False) == ""
    assert bare.run(f"ls /opt /usr/bin/knockfirst {_STORE} 2>/dev/null", check=False) == f"{_STORE}\n\n/opt:"
    assert bare.run(f"cat {CONFIGURATION}") == kept


def test_a_purge_leaves_nothing_behind(bare: Machine) -> None:
    bare.run("rm -r /etc/prometheus/rules /etc/grafana; mkdir -p /etc/grafana/provisioning/dashboards")
    bare.run("touch /etc/grafana/provisioning/dashboards/sample.yaml")
    bare.run("apt-get -q -y purge knockfirst 2>&1")
    bare.run(f"{_FILES} >/run/before/now", check=False)
    assert bare.run("diff /run/before/files /run/before/now", check=False) == ""
    for name in ("passwd", "group"):
        assert bare.run(f"diff /run/before/{name} /etc/{name}", check=False) == ""
    assert "knockfirst" not in bare.run("ls -R /run /etc/systemd")
