"""Signed notes and checkpoints: published examples, byte for byte, and every byte of ours changed."""

from __future__ import annotations

import base64
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from hypothesis import given
from hypothesis import strategies as st

from agent.audit.checkpoint import Checkpoint, found, line, read
from agent.audit.signing import Key, opened, private_key, sign
from agent.errors import ConfigError, Malformed

# The example of https://pkg.go.dev/golang.org/x/mod/sumdb/note, the implementation that the specification came from:
# its signer key is algorithm and seed in base64.
SEED = base64.b64decode("AYEKFALVFGyNhPJEMzD1QIDr+Y7hfZx09iUvxdXHKDFz")[1:]
TEXT = "If you think cryptography is the answer to your problem,\nthen you don't know what your problem is.\n"
VKEY = "PeterNeumann+c74f20a3+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW"
SIGNATURE = "x08go/ZJkuBS9UG/SffcvIAQxVBtiFupLLr8pAcElZInNIuGUgYN1FFYC2pZSNXgKvqfqdngotpRZb6KE6RyyBwJnAM="
NOTE = f"{TEXT}\n\u2014 PeterNeumann {SIGNATURE}\n"
OTHER = "EnochRoot+af0cfe78+ATtqJ7zOtqQtYqOo0CpvDXNlMhV3HeJDpjrASKGLWdop"

KEY = Key("isp.example/edge1", Ed25519PrivateKey.from_private_bytes(bytes(range(32))))
ROOT = bytes(range(32, 64))
CHECKPOINT = Checkpoint("isp.example/edge1", 4711, ROOT)
SIGNED = CHECKPOINT.signed(KEY)


def test_the_published_note_opens() -> None:
    assert opened(NOTE, [OTHER, VKEY]) == TEXT


def test_the_published_note_is_what_we_sign() -> None:
    key = Key("PeterNeumann", Ed25519PrivateKey.from_private_bytes(SEED))
    assert key.vkey == VKEY
    assert sign(TEXT, key) == NOTE


REFUSED = [
    ("another key", NOTE, [OTHER]),
    ("no key", NOTE, []),
    ("another text", NOTE.replace("cryptography", "cryptographx"), [VKEY]),
    ("another name", NOTE.replace("PeterNeumann", "PeterNeumans"), [VKEY]),
    ("no signature", TEXT, [VKEY]),
    ("an empty one", f"{TEXT}\n", [VKEY]),
    ("no end", NOTE[:-1], [VKEY]),
    ("one good, one false of the same key", NOTE + NOTE.splitlines()[-1].replace("nAM=", "mAM=") + "\n", [VKEY]),
    ("another spelling of the same bytes", NOTE.replace("nAM=", "nAN="), [VKEY]),
    ("a control character", NOTE.replace("If you", "If\tyou"), [VKEY]),
    ("nothing", "", [VKEY]),
    ("a vkey without a name", NOTE, [VKEY.removeprefix("PeterNeumann")]),
    ("a vkey of another id", NOTE, [VKEY.replace("c74f20a3", "c74f20a4")]),
    ("a vkey that is none", NOTE, ["PeterNeumann"]),
]


@pytest.mark.parametrize(("note", "vkeys"), [row[1:] for row in REFUSED], ids=[row[0] for row in REFUSED])
def test_what_is_refused(note: str, vkeys: list[str]) -> None:
    with pytest.raises(Malformed):
        opened(note, vkeys)


def test_signatures_of_strangers_are_passed_over() -> None:
    strange = "\u2014 somebody.else AAAAAAAA\n"
    assert opened(NOTE + strange, [VKEY]) == TEXT
    text, _, signature = NOTE.rpartition("\n\n")
    assert opened(f"{text}\n\n{strange}{signature}", [VKEY]) == TEXT


def test_a_text_that_is_no_note_is_not_signed() -> None:
    for text in ("", "no end", "a\0b\n", "half \ud800\n"):
        with pytest.raises(ValueError, match="ends with a newline"):
            sign(text, KEY)


@given(st.integers(0, len(SIGNED.encode()) - 1), st.integers(0, 255))
def test_a_checkpoint_of_which_a_byte_is_changed_is_refused(at: int, byte: int) -> None:
    data = bytearray(SIGNED.encode())
    data[at] = byte
    changed = data.decode(errors="replace")
    if changed == SIGNED:
        assert read(changed, [KEY.vkey]) == CHECKPOINT
    else:
        with pytest.raises(Malformed):
            read(changed, [KEY.vkey])


@pytest.mark.parametrize(
    "text", ["x\n1\n", "x\n01\nAAAA\n", "x\n1\nAAAA\n", "\n1\nAAAA\n", "x\n-1\nAAAA\n", "x\n1\n!\n"]
)
def test_a_signed_note_that_is_no_checkpoint(text: str) -> None:
    with pytest.raises(Malformed):
        read(sign(text, KEY), [KEY.vkey])


def test_what_a_sink_kept_is_found_again_as_notes_or_lines_among_anything_else() -> None:
    second = Checkpoint("isp.example/edge1", 0, ROOT).signed(KEY)
    torn = SIGNED[: len(SIGNED) // 2]
    text = (
        f"{torn}\n{SIGNED}\n{second}\nNov 24 08:00:00 edge1 knockfirst[7]: {line(SIGNED)}\nother words\n{line(second)}"
    )
    assert found(text) == [SIGNED, second, SIGNED, second]
    assert found(torn) == [] and found("") == []


def test_the_key_file_is_made_once_and_ours_alone(tmp_path: Path) -> None:
    path = tmp_path / "signing.key"
    with pytest.raises(ConfigError, match="No such file"):
        private_key(path, make=False)
    (tmp_path / "signing.key.new").write_text("half of one")
    key = private_key(path, make=True)
    assert path.stat().st_mode & 0o777 == 0o600
    assert private_key(path, make=True).private_bytes_raw() == key.private_bytes_raw()
    assert [path.name for path in tmp_path.iterdir()] == ["signing.key"]
