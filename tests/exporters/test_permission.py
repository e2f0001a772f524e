"""Consent, knocking and the log as metrics: every number is shown, and nobody can be told from a label."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from contextlib import suppress
from ipaddress import ip_network
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from prometheus_client.openmetrics.parser import text_string_to_metric_families as openmetrics_families

from agent.asked import Permitted
from agent.inventory import Inventory
from agent.lab import leave
from agent.leave import PIECES
from agent.permission import Permission
from tests.agent import leaving
from tests.agent.leaving import HOST, NET, OTHER_NET, Clock
from tests.exporters.permitted import PERMITTED
from tests.exporters.test_prometheus import samples, scraped, snapshot

if TYPE_CHECKING:
    from collections.abc import Iterator

OPENMETRICS = "application/openmetrics-text; version=1.0.0"

SHOWN: list[tuple[str, tuple[str, ...], float]] = [
    ("consent_customers", (), 37),
    ("consent_records", ("explicit", "in_force"), 38),
    ("consent_records", ("explicit", "expired"), 39),
    ("consent_objections", (), 40),
    ("announcement_wait_customers", (), 41),
    ("consent_customers_by_leave", ("objection",), 60),
    ("consent_customers_by_leave", ("given",), 61),
    ("consent_servers", ("given",), 62),
    ("consent_servers", ("lacking",), 63),
    ("mapping_synced_timestamp_seconds", ("netbox",), 57),
    ("mapping_synced_timestamp_seconds", ("crm",), 58),
    ("mapping_conflicts", (), 64),
    ("objection_files_failing", (), 66),
    ("customer_erasure_timestamp_seconds", (), 68),
    ("customer_erasures_unended", (), 69),
    ("customer_erasures_oldest_timestamp_seconds", (), 70),
    ("objections_total", ("token",), 50),
    ("objections_total", ("prefix",), 51),
    ("objections_total", ("file",), 0),
    ("objections_pending", (), 52),
    ("objection_effect_seconds_bucket", ("0.1",), 3),
    ("objection_effect_seconds_bucket", ("1.0",), 5),
    ("objection_effect_seconds_bucket", ("+Inf",), 6),
    ("objection_effect_seconds_count", (), 6),
    ("objection_effect_seconds_sum", (), 7.5),
    ("probe_armed", (), 0),
    ("probe_missing", ("armed",), 0),
    ("probe_missing", ("contact",), 0),
    ("probe_missing", ("audit_sink",), 1),
    ("probe_kill_switch", (), 0),
    ("probe_prober_up", (), 1),
    ("probe_clock_synchronised", (), 1),
    ("probes_running", (), 2),
    ("gate_decisions_total", ("granted", ""), 31),
    ("gate_decisions_total", ("refused", "objection"), 32),
    ("gate_decisions_total", ("refused", "pace"), 0),
    ("gate_refused_servers", ("objection",), 33),
    ("gate_refused_servers", ("not_seen",), 34),
    ("probe_outcomes_total", ("exchange-http", "confirmed"), 35),
    ("probe_outcomes_total", ("exchange-http", "timeout"), 36),
    ("breaker_open", ("host",), 44),
    ("breaker_open", ("customer",), 45),
    ("breaker_open", ("whole",), 1),
    ("selfaudit_syn_minus_intents", (), 109),
    ("selfaudit_connections_total", ("matched",), 53),
    ("selfaudit_connections_total", ("seen_not_logged",), 54),
    ("selfaudit_connections_total", ("logged_not_seen",), 55),
    ("selfaudit_waiting_connections", (), 56),
    ("audit_entries", (), 46),
    ("audit_write_failures_total", (), 47),
    ("audit_offbox_checkpoint_timestamp_seconds", (), 59),
    ("audit_intents_without_outcome", (), 65),
    ("audit_checkpoint_failures_total", (), 49),
]


def shown(said: dict[str, Any] | None) -> dict[tuple[str, frozenset[str]], float]:
    return {
        (name.removeprefix("knockfirst_"), frozenset(labels)): value
        for (name, labels), value in samples(scraped(snapshot(permission=said))).items()
    }


@pytest.mark.parametrize(("name", "labels", "value"), SHOWN, ids=str)
def test_each_number_is_shown_where_it_belongs(name: str, labels: tuple[str, ...], value: float) -> None:
    assert shown(PERMITTED)[name, frozenset(labels)] == value


def test_no_number_is_forgotten() -> None:
    """Whatever there is beyond what is there without it is in the table above."""
    ours = set(shown(PERMITTED)) - set(shown(None))
    assert ours == {(name, frozenset(labels)) for name, labels, _ in SHOWN}


def test_of_what_there_is_not_nothing_is_said() -> None:
    without = {name for name, _ in shown(None)}
    assert not [name for name in without if name.startswith(("consent", "probe", "gate", "audit", "selfaudit"))]
    unreached = {name for name, _ in shown(PERMITTED | {"checkpoint_made": None})}
    assert "audit_offbox_checkpoint_timestamp_seconds" not in unreached and "audit_entries" in unreached


@pytest.mark.parametrize(
    ("said", "armed"),
    [
        ({"missing": dict.fromkeys(PIECES, False)}, 1),
        ({"missing": dict.fromkeys(PIECES, False), "killed": True}, 0),
        ({"missing": dict.fromkeys(PIECES, False) | {"contact": True}}, 0),
    ],
)
def test_armed_is_every_piece_and_no_kill_switch(said: dict[str, Any], armed: int) -> None:
    assert shown(PERMITTED | said)["probe_armed", frozenset()] == armed


LABELS = st.text(max_size=64)
COUNTS = st.integers(0, 1 << 53)
GAUGES = st.floats(0, 1e12, allow_nan=False)
NAMES = st.from_regex(r"[a-z][a-z0-9_.]{0,63}", fullmatch=True)


@settings(max_examples=40, deadline=None)
@given(
    st.fixed_dictionaries(
        {},
        optional={
            "refused_now": st.dictionaries(LABELS, COUNTS, max_size=4),
            "missing": st.dictionaries(LABELS, st.booleans(), max_size=4),
            "synced": st.dictionaries(LABELS, st.floats(0, 1e11, allow_nan=False), max_size=4),
            "breakers": st.dictionaries(LABELS, COUNTS, max_size=4),
            "objections": st.dictionaries(NAMES, COUNTS, max_size=4),
            "self_audit": st.dictionaries(NAMES, COUNTS, max_size=4),
            "checkpoint_made": st.none() | st.floats(0, 1e11, allow_nan=False),
            "decisions": st.just([]),
            "outcomes": st.just([]),
            "records": st.just([]),
        },
    )
)
def test_whatever_is_said_makes_an_exposition(said: dict[str, Any]) -> None:
    taken = snapshot(permission=PERMITTED | said)
    assert list(openmetrics_families(scraped(taken, OPENMETRICS)))
    assert samples(scraped(taken))


def test_openmetrics_has_the_histogram_and_the_units() -> None:
    families = {one.name: one for one in openmetrics_families(scraped(snapshot(permission=PERMITTED), OPENMETRICS))}
    effect = families["knockfirst_objection_effect_seconds"]
    assert effect.type == "histogram"
    assert [sample.labels["le"] for sample in effect.samples if sample.name.endswith("_bucket")][-1] == "+Inf"
    assert families["knockfirst_gate_decisions"].type == "counter"


def test_promtool_has_nothing_to_say() -> None:
    promtool = shutil.which("promtool")
    if promtool is None:
        assert os.environ.get("CI") != "true", "promtool must be installed where CI=true (Debian: prometheus)"
        pytest.skip("no promtool here (Debian: apt install prometheus)")
    said = subprocess.run(
        [promtool, "check", "metrics"], input=scraped(snapshot(permission=PERMITTED)), capture_output=True, text=True,
        check=False,
    )  # fmt: skip
    assert (said.returncode, said.stdout + said.stderr) == (0, "")


# An agent with customers, refusals, outcomes and objections.


class _Doors:
    def inside(self, name: str) -> list[Any]:
        return []

    def tell(self, connection: object, frames: Any) -> None:
        pass


@pytest.fixture
def said(tmp_path: Path) -> Iterator[dict[str, Any]]:
    from agent.exchange.catalogue import catalogue
    from agent.exchange.fingerprint import book

    clock = Clock()
    items = [*leave.agreed("agreed", [NET], clock.wall), *leave.agreed("mail.example.nl", [OTHER_NET], clock.wall)]
    with leaving.opened(tmp_path, clock, *items, leave.objected("mail.example.nl", None, clock.wall)) as office:
        permission = Permission(
            office, Inventory(book(), catalogue()), _Doors(), observe=lambda _: None, log=leaving.LOG,  # type: ignore[arg-type]
            now=clock.now, monotonic=clock.monotonic,
        )  # fmt: skip
        answer = office.gate.admit(leaving.request(HOST), office.conditions(), leaving.BUDGET)
        permission._knocking.ended(leaving.outcome(answer.id))  # type: ignore[union-attr]
        permission._knocking.ask(leaving.request("198.51.100.1"))
        permission.tend()
        body = permission.body()
        assert body is not None
        yield body


def labels(said: dict[str, Any]) -> dict[str, set[tuple[str, str]]]:
    """Name of a family -> every label of it with every value."""
    families = openmetrics_families(scraped(snapshot(permission=said), OPENMETRICS))
    ours = {one.name for one in openmetrics_families(scraped(snapshot(permission=None), OPENMETRICS))}
    return {
        one.name.removeprefix("knockfirst_"): {item for sample in one.samples for item in sample.labels.items()}
        for one in families
        if one.name not in ours
    }


def test_no_label_tells_of_anybody(said: dict[str, Any]) -> None:
    assert Permitted.model_validate(said)
    values = {value for of in labels(said).values() for _, value in of}
    assert "in_force" in values and "confirmed" in values
    for value in values:
        with suppress(ValueError):
            float(value)  # the bound of a bucket
            continue
        with pytest.raises(ValueError):
            ip_network(value, strict=False)
        assert not re.search(r"\.[a-z]|@|agreed", value), value
        assert not re.fullmatch(r"[0-9a-f-]{8,}", value), value
