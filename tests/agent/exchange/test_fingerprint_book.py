"""The packaged book: every entry holds, nothing in it is out of reach, and it costs little."""

import re
import time
import tomllib
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from agent.build import Build
from agent.exchange.fingerprint import PACKAGED, book, load
from agent.exchange.proof import pattern_faults
from agent.model import KINDS

IDS = [f.id for f in load()]


def test_the_packaged_book_is_proved_and_read_alike_by_the_hot_path():
    proved, lazy = load(), book()
    for kind in KINDS:
        told = [(f.id, f.claims, f.weight, f.precision, f.contains) for f in proved.of(kind)]
        assert told == [(f.id, f.claims, f.weight, f.precision, f.contains) for f in lazy.of(kind)]
    assert len(IDS) == len(set(IDS)) > 100


def test_every_file_belongs_to_a_kind():
    assert {path.stem for path in Path(PACKAGED).iterdir()} <= set(KINDS)


def test_sources_are_public_ones():
    assert not [f for f in (raw["source"] for raw in raw_entries()) if f.startswith("/") or f.endswith(".md")]


def raw_entries() -> list[dict[str, str]]:
    files = Path(PACKAGED).glob("*.toml")
    return [raw for path in files for raw in tomllib.loads(path.read_text("utf-8"))["fingerprint"]]


@pytest.mark.parametrize("weight", [f.weight for f in load() if not f.claims.products])
def test_without_a_product_there_is_nothing_to_weigh(weight):
    assert weight == 0


ADVERSARIAL = (
    "a" * 5000, "a." * 2500, "a.b-" * 1200, "Microsoft Exchange " * 300, "(" * 5000, "[" * 5000, "=" * 5000,
    "<" * 2500 + ">" * 2500, "x " * 2500, "\n" * 5000, "250-" * 1200, "* OK " * 1000, "for Exchange " * 400,
    "Microsoft ESMTP MAIL Service, Version: " + "1." * 2000, "san: " + "a," * 2400, "autodiscover." * 400,
    ",".join(["autodiscover"] * 400), "X-OWA-Version: " + "15." * 1600, "Location: " + "/owa" * 1200,
    "Set-Cookie: " + "cadata" * 800, " [" + "QQAA" * 1200 + "]", "5.5." * 1200, "Microsoft Exchange 6.5." * 200,
    "The Microsoft Exchange IMAP4 service is ready. [" + "A" * 679 + "]",
)  # fmt: skip


@pytest.mark.parametrize("kind", KINDS)
def test_hostile_text_is_matched_in_milliseconds(kind):
    book().match(kind, "warm")
    for text in ADVERSARIAL:
        begun = time.process_time()
        book().match(kind, text)
        assert time.process_time() - begun < 0.25, text[:40]


@settings(max_examples=150, deadline=None)
@given(st.sampled_from(KINDS), st.text(max_size=300))
def test_any_text_has_an_answer_and_keeps_it(kind, text):
    assert book().match(kind, text) == book().match(kind, text)


@settings(max_examples=100, deadline=None)
@given(st.sampled_from(KINDS), st.sampled_from(ADVERSARIAL), st.text(max_size=40))
def test_letters_case_does_not_matter(kind, text, tail):
    if kind not in ("imap.greeting", "pop3.greeting"):  # Base64 has cases.
        tail = tail.encode("ascii", "ignore").decode()
        ids = [m.fingerprint for m in book().match(kind, text[:60] + tail)]
        assert ids == [m.fingerprint for m in book().match(kind, (text[:60] + tail).upper())]


@given(st.tuples(*[st.integers(0, 65535)] * 2))
@settings(max_examples=60, deadline=None)
def test_an_owa_version_is_its_own_build(parts):
    third, fourth = parts
    matches = book().match("http.header", f"x-owa-version: 15.2.{third}.{fourth}")
    assert [m.claims.build and (m.claims.build.low, m.claims.build.high) for m in matches] == [
        (Build(15, 2, third, fourth),) * 2
    ]
    assert matches[0].claims.generations == (("SE",) if third >= 2562 else ("2019",))


def test_a_part_above_sixteen_bits_is_no_exchange():
    assert book().match("http.header", "X-OWA-Version: 15.1.65535.1")
    assert book().match("http.header", "X-OWA-Version: 15.1.65536.1") == ()


def test_a_server_header_is_a_server_either_way():
    assert book().match("http.header", "server:  Microsoft-IIS/8.5") == book().match("http.server", "Microsoft-IIS/8.5")


def test_a_kind_without_a_file_matches_nothing():
    assert book().match("http.status", "302") == () == book().match("no.such.kind", "302")


def test_patterns_of_the_packaged_book_are_bounded():
    sources = re.findall(r"(?m)^(?:pattern|keywords\.(?:not_)?host|fields\.\w+) = '(.*)'$",
                         "".join(p.read_text("utf-8") for p in Path(PACKAGED).glob("*.toml")))  # fmt: skip
    assert len(sources) > 80
    assert [fault for source in sources for fault in pattern_faults("pattern", source)] == []


def test_the_package_ships_the_book():
    assert '"data/fingerprints/*.toml"' in Path("pyproject.toml").read_text("utf-8")
