"""The configuration that is installed: as it is, and with every key taken out of its comment, it is the default."""

from __future__ import annotations

import re

import pytest

from agent.config import parse
from agent.sections import Config
from package import defaults

FILE = "/etc/knockfirst/knockfirst.toml"
KEYS = [(name, key) for name in Config.model_fields for key in defaults.keys(name)]
_COMMENTED = re.compile(r"^#(?=[a-z_0-9]+ = )", re.M)


def test_it_loads_to_the_defaults_as_it_is_and_uncommented() -> None:
    text = defaults.text()
    assert parse(text.encode(), FILE) == Config()
    assert len(_COMMENTED.findall(text)) == len(KEYS)
    assert parse(_COMMENTED.sub("", text).encode(), FILE).model_dump() == Config().model_dump()


@pytest.mark.parametrize(("section", "key"), KEYS, ids=[f"{section}.{key.name}" for section, key in KEYS])
def test_every_key_is_explained_and_one_alone_may_be_taken_out(section: str, key: defaults.Key) -> None:
    assert key.meaning
    assert "value" not in key.kind, "a kind that nobody has put into words"
    assert re.search(r"\. A change (needs nothing|restarts)", f"{key.kind}. {key.needs}")
    text = defaults.text()
    begin = text.index(f"\n[{section}]\n")
    alone = text[:begin] + text[begin:].replace(f"\n#{key.name} = ", f"\n{key.name} = ", 1)
    assert alone != text
    assert parse(alone.encode(), FILE) == Config()


def test_bounds_and_choices_are_those_of_the_sections() -> None:
    kinds = {f"{section}.{key.name}": key.kind for section, key in KEYS}
    assert kinds["capture.ring_mib"] == "whole number, 1 to 4096"
    assert kinds["capture.interfaces"] == "list, at most 64; each: text"
    assert kinds["capture.ports"] == "list, at most 256; each: whole number, 1 to 65535"
    assert kinds["log.format"] == 'one of "logfmt", "json"'
    assert kinds["probe.armed"] == "true or false"
    assert kinds["consent.operator"] == "text, at most 80 characters"
