"""A proof is accepted as it is and in no other form; the verifier is the stand-alone one of docs/."""

from __future__ import annotations

import ast
import importlib.util
import json
import os
import subprocess
import sys
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from agent.audit.entry import Item
from agent.audit.log import Log
from agent.audit.proof import handed, joined, parts
from agent.schema import SIGNING_KEY
from tests.agent.audit.logs import intent, log_in, opened, outcome

VERIFIER = Path(__file__).parents[3] / "docs" / "verify.py"


def loaded() -> ModuleType:
    spec = importlib.util.spec_from_file_location("verify", VERIFIER)
    assert spec and spec.loader
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


verify = loaded()


def proved(log: Log, customer: str, *sizes: int) -> str:
    item = handed(log, customer, 1000, sizes)
    log.append([item])
    assert item.private
    return joined(parts(log, customer, item.private["earlier"]))


def busy(log: Log, entries: int) -> None:
    """Probes of ten customers, in turn."""
    for number in range(log.size, log.size + entries, 2):
        who = f"C-{number // 2 % 10}"
        log.append([intent(who, f"198.51.100.{number % 200}"), outcome(number, who)])


class World:
    """One log, and two proofs of it for the same customer, the later reaching back to an older checkpoint too."""

    def __init__(self, directory: Path) -> None:
        self.log = opened(directory)
        busy(self.log, 60)
        self.older = self.log.checkpoint()
        busy(self.log, 60)
        self.first = proved(self.log, "C-3")
        busy(self.log, 40)
        self.text = proved(self.log, "C-3", 60)
        self.proof: dict[str, Any] = json.loads(self.text)


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> World:
    return World(tmp_path_factory.mktemp("log"))


def written(proof: Any) -> str:
    return json.dumps(proof, indent=1, ensure_ascii=False) + "\n"


def test_a_proof_is_accepted(world: World) -> None:
    entries = verify.checked(world.text, world.log.vkey, world.older)
    assert [leaf["kind"] for leaf, _ in entries[-3:]] == ["probe.intent", "probe.outcome", "customer.exported"]
    assert next(private["address"] for _, private in entries if "address" in private) == "198.51.100.6"
    assert verify.checked(world.text.replace("\n", "\r\n"))
    earlier = json.loads(world.first)["checkpoint"]
    assert verify.checked(world.text, world.log.vkey, earlier)
    assert verify.checked(world.text, older=world.proof["checkpoint"])


def test_nothing_of_anybody_else_is_in_it(world: World) -> None:
    numbers = {entry.number for entry in world.log.read() if entry.customer == "C-3"}
    assert {json.loads(entry["leaf"])["n"] for entry in world.proof["entries"]} == numbers
    others = {entry.private["address"] for entry in world.log.read() if entry.private and entry.customer != "C-3"}
    assert not [address for address in others if f'"{address}"' in world.text]


MUTATED = settings(max_examples=400, deadline=None)


@given(st.data())
@MUTATED
def test_a_proof_of_which_a_byte_is_changed_is_refused(world: World, data: st.DataObject) -> None:
    at = data.draw(st.integers(0, len(world.text) - 1))
    kind = data.draw(st.sampled_from(["change", "drop", "double", "insert"]))
    near = st.sampled_from(sorted(set(world.text)))
    middle = {
        "change": data.draw(near.filter(lambda c: c != world.text[at])) if kind == "change" else "",
        "drop": "",
        "double": world.text[at] * 2,
        "insert": data.draw(near) + world.text[at] if kind == "insert" else "",
    }[kind]
    changed = world.text[:at] + middle + world.text[at + 1 :]
    with pytest.raises(verify.Refused):
        verify.checked(changed)


def places(value: Any, here: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    """The way to every value in a proof."""
    below = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    return [here, *(place for key, part in below for place in places(part, (*here, key)))]


VALUES = st.one_of(
    st.none(), st.booleans(), st.integers(-2, 300), st.floats(), st.text(max_size=8), st.just([]), st.just({}),
    st.text("0123456789abcdef", min_size=64, max_size=64),
)  # fmt: skip


@given(st.data())
@MUTATED
def test_a_proof_of_which_a_field_is_changed_dropped_swapped_or_added_is_refused(
    world: World, data: st.DataObject
) -> None:
    proof = json.loads(world.text)
    *way, last = data.draw(st.sampled_from(places(proof)[1:]))
    parent = proof
    for key in way:
        parent = parent[key]
    match data.draw(st.sampled_from(["change", "drop", "swap", "double", "add"])):
        case "change":
            parent[last] = data.draw(VALUES)
        case "drop":
            del parent[last]
        case "swap":
            other = data.draw(st.sampled_from(sorted(parent) if isinstance(parent, dict) else range(len(parent))))
            parent[last], parent[other] = parent[other], parent[last]
        case "double" if isinstance(parent, list):
            parent.insert(last, parent[last])
        case _:
            if isinstance(parent, dict):
                parent["more"] = data.draw(VALUES)
            else:
                parent.append(data.draw(VALUES))
    if written(proof) == world.text:
        return
    with pytest.raises(verify.Refused):
        verify.checked(written(proof))


@given(st.text(max_size=300))
def test_what_is_no_proof_is_refused_and_never_an_error(text: str) -> None:
    with pytest.raises(verify.Refused):
        verify.checked(text)


def test_every_value_of_another_proof_is_refused_in_its_place(world: World) -> None:
    """Parts that are good somewhere: of an earlier proof of the same log."""
    first = json.loads(world.first)
    for key in ("checkpoint", "entries", "earlier"):
        with pytest.raises(verify.Refused):
            verify.checked(written({**world.proof, key: first[key]}))


def test_a_log_made_anew_with_the_same_key_is_refused_by_whoever_has_an_older_checkpoint(
    tmp_path: Path, world: World
) -> None:
    (tmp_path / SIGNING_KEY).write_text(world.log._signed_with.private.private_bytes_raw().hex())
    log = log_in(tmp_path)
    log.open()
    log.append([Item("log.started")])
    busy(log, 159)
    text = proved(log, "C-3", 60)
    assert verify.checked(text, world.log.vkey)
    with pytest.raises(verify.Refused, match="the log was changed: its first 60 entries"):
        verify.checked(text, world.log.vkey, world.older)


@pytest.mark.parametrize(
    ("vkey", "older", "said"),
    [
        ("isp.example/edge1+00000000+AAAA", None, "not that of the key that you gave"),
        (None, "isp.example/edge1\n60\nnonsense", "not a proof"),
        (None, "first", "does not reach back to your checkpoint of 61 entries"),
    ],
)
def test_what_else_is_held_against_it(world: World, vkey: str | None, older: str | None, said: str) -> None:
    if older == "first":
        from agent.audit.checkpoint import Checkpoint

        older = Checkpoint(world.log.origin, 61, bytes(32)).signed(world.log._signed_with)
    with pytest.raises(verify.Refused, match=said):
        verify.checked(world.text, vkey, older)


def test_it_stands_alone(tmp_path: Path, world: World) -> None:
    """It imports nothing of ours, and runs where nothing of ours is."""
    tree = ast.parse(VERIFIER.read_text())
    imported = {
        (node.module or "") if isinstance(node, ast.ImportFrom) else node.names[0].name
        for node in ast.walk(tree)
        if isinstance(node, ast.Import | ast.ImportFrom)
    }
    assert {name.partition(".")[0] for name in imported} - set(sys.stdlib_module_names) == {"cryptography"}
    (tmp_path / "verify.py").write_text(VERIFIER.read_text())
    (tmp_path / "proof.json").write_text(world.text)
    (tmp_path / "older").write_text(world.older)

    def run(*words: str) -> tuple[int, str, str]:
        done = subprocess.run(
            [sys.executable, "-I", "verify.py", *words],
            cwd=tmp_path, capture_output=True, text=True, timeout=120, check=False,
            env={**os.environ, "LC_ALL": "C.UTF-8"},
        )  # fmt: skip
        return done.returncode, done.stdout, done.stderr

    code, out, err = run("proof.json", "--vkey", world.log.vkey, "--older", "older")
    assert (code, err) == (0, "")
    assert "The proof holds" in out and "It does not show that no other entries exist" in out and "198.51.100.6" in out
    (tmp_path / "proof.json").write_text(world.text.replace("198.51.100.6", "198.51.100.9"))
    code, out, err = run("proof.json")
    assert (code, err) == (1, "") and out.startswith("REFUSED: entry 6: what it says privately")
    assert run("nothing.json")[0] == 2
