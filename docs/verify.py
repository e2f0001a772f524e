#!/usr/bin/env python3
"""Checks what your provider says it did to your servers: the file that `knockfirst audit prove` wrote for you.

    python3 verify.py PROOF [--vkey KEY] [--older CHECKPOINT]

It needs Python 3.9 and its package `cryptography`, and nothing of your provider's. KEY is the log's public key as you
got it elsewhere (a web page, a letter); CHECKPOINT a file with one that you got earlier. Exit code 0: it holds; 1: it
does not; 2: a file or an argument cannot be used. Formats: RFC 9162 section 2.1, c2sp.org/signed-note and
c2sp.org/tlog-checkpoint; an entry commits to its private part by SHA-256(salt || private).
"""

import argparse
import base64
import json
import sys
from hashlib import sha256
from pathlib import Path

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

SHOWN = """
This shows that the entries above are in the log, unchanged, each in its place, and that the log is the one that this
key signed. It does not show that no other entries exist, nor that what they say is true. Whoever has the key can sign
another log: compare key and checkpoint with what you got elsewhere."""


class Refused(Exception):  # noqa: N818
    """The proof does not hold; the text says why."""


def need(holds, why):
    if not holds:
        raise Refused(why)


def unhex(text):
    data = bytes.fromhex(text)
    need(data.hex() == text, "a hash is not written as it should be")
    return data


def unbase64(text):
    data = base64.b64decode(text, validate=True)
    need(base64.b64encode(data).decode() == text, "base64 is not written as it should be")
    return data


def checkpoint(note, vkey):
    """Size and root of a checkpoint that this key signed."""
    name, key_id, key = vkey.split("+", 2)
    key, text, good = unbase64(key), note[: note.rindex("\n\n") + 1], False
    need(key[:1] == b"\1" and sha256(name.encode() + b"\n" + key).digest()[:4].hex() == key_id, "this is no key")
    need(note.endswith("\n"), "the checkpoint has no end")
    for line in note[len(text) + 1 : -1].split("\n"):
        dash, by, signature = line.split(" ")
        need(dash == "\u2014", "the checkpoint is not signed as it should be")
        if by == name and unbase64(signature)[:4].hex() == key_id:
            Ed25519PublicKey.from_public_bytes(key[1:]).verify(unbase64(signature)[4:], text.encode())
            good = True
    need(good, "the checkpoint is not signed with this key")
    _, size, root = text.split("\n")[:3]
    need(str(int(size)) == size, "the checkpoint has no size")
    return int(size), unbase64(root)


def node(left, right):
    return sha256(b"\1" + left + right).digest()


def climbed(place, last, new, path, old):
    """The roots that a path leads to: of the whole tree, and of the one that ends at that place."""
    for sibling in path:
        need(last > 0, "a path is too long")
        if place & 1 or place == last:
            new, old = node(sibling, new), node(sibling, old)
            while not place & 1 and place:
                place, last = place >> 1, last >> 1
        else:
            new = node(new, sibling)
        place, last = place >> 1, last >> 1
    need(last == 0, "a path is too short")
    return new, old


def included(leaf, index, size, path, root):
    new, _ = climbed(index, size - 1, sha256(b"\0" + leaf).digest(), path, b"")
    need(index < size and new == root, f"entry {index} is not in the log that was signed")


def consistent(first, second, old, new, path):
    need(type(first) is int and 0 < first < second, "an earlier log of no size")
    place, last = first - 1, second - 1
    while place & 1:
        place, last = place >> 1, last >> 1
    start, *rest = path if place else [old, *path]
    need(climbed(place, last, start, rest, start) == (new, old), f"the log of {first} entries does not begin this one")


def checked(text, vkey=None, older=None):
    """The entries of a proof, each its leaf and its private part, if it holds. Raises Refused."""
    try:
        return _checked(text.replace("\r\n", "\n"), vkey, older and older.replace("\r\n", "\n"))
    except InvalidSignature:
        raise Refused("a signature does not fit") from None
    except (ValueError, KeyError, TypeError, AttributeError, IndexError, RecursionError) as error:
        raise Refused(f"this is not a proof: {error}") from None


def _checked(text, vkey, older):
    proof = json.loads(text)
    need(json.dumps(proof, indent=1, ensure_ascii=False) + "\n" == text, "the file was changed, or is not whole")
    need(list(proof) == ["format", "vkey", "checkpoint", "entries", "earlier"], "parts are missing, or too many")
    need(proof["format"] == "knockfirst-proof/1", "a format of another time")
    need(vkey in (None, proof["vkey"]), "the log is not that of the key that you gave")
    size, root = checkpoint(proof["checkpoint"], proof["vkey"])
    entries = [_entry(entry, size, root) for entry in proof["entries"]]
    numbers, last = [leaf["n"] for leaf, _ in entries], entries[-1][1]
    need(numbers == sorted(set(numbers)) and entries[-1][0]["kind"] == "customer.exported", "entries are out of order")
    listed = sha256(",".join(map(str, numbers[:-1])).encode()).hexdigest()
    need((last["entries"], last["numbers"]) == (len(entries) - 1, listed), "an entry is missing, or one too many")
    roots = {size: root, **{part["size"]: unhex(part["root"]) for part in proof["earlier"]}}
    need([part["size"] for part in proof["earlier"]] == last["earlier"], "an earlier checkpoint is missing")
    for part in proof["earlier"]:
        need(list(part) == ["size", "root", "path"], "an earlier checkpoint is not as it should be")
        consistent(part["size"], size, roots[part["size"]], root, [unhex(hash_) for hash_ in part["path"]])
    if older:
        at, was = checkpoint(older.lstrip("\n"), proof["vkey"])
        need(at in roots, f"it does not reach back to your checkpoint of {at} entries: ask for one that does")
        need(roots[at] == was, f"the log was changed: its first {at} entries are not those of your checkpoint")
    return entries


def _entry(entry, size, root):
    need(list(entry) == ["leaf", "private", "salt", "path"], "an entry is not as it should be")
    leaf, private = json.loads(entry["leaf"]), entry["private"]
    included(entry["leaf"].encode(), leaf["n"], size, [unhex(hash_) for hash_ in entry["path"]], root)
    commit = sha256(unhex(entry["salt"]) + private.encode()).hexdigest()
    need(leaf["commit"] == commit, f"entry {leaf['n']}: what it says privately is not what it committed to")
    return leaf, json.loads(private)


def main(words=None):
    parser = argparse.ArgumentParser(description=__doc__.split("\n", 1)[0])
    parser.add_argument("proof", help="the file that you got")
    parser.add_argument("--vkey", help="the log's public key, as you got it elsewhere")
    parser.add_argument("--older", help="a file with a checkpoint that you got earlier")
    options = parser.parse_args(words)
    try:
        text = Path(options.proof).read_text(encoding="utf-8")
        older = Path(options.older).read_text(encoding="utf-8") if options.older else None
    except (OSError, ValueError) as error:
        print(f"cannot be read: {error}", file=sys.stderr)
        return 2
    try:
        entries = checked(text, options.vkey, older)
    except Refused as why:
        print(f"REFUSED: {why}")
        return 1
    for leaf, private in entries:
        told = json.dumps({**leaf["public"], **private}, ensure_ascii=False)
        print(
            f"{leaf['n']:>9}  {leaf['time']}  {leaf['kind']:20} {''.join(c if c.isprintable() else '?' for c in told)}"
        )
    proof = json.loads(text)
    print(f"\nThe proof holds: {len(entries)} entries.\nkey         {proof['vkey']}")
    print("checkpoint  " + "\n            ".join(proof["checkpoint"].rstrip("\n").split("\n")) + SHOWN)
    return 0


if __name__ == "__main__":
    sys.exit(main())
