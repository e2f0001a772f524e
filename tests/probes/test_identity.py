"""Who answers: what ties an answer to the server that was seen, the strongest first."""

from __future__ import annotations

import pytest

from agent.lab import keys
from agent.lab.certificates import Certificate, der, public, self_signed
from probes.asks import Known, Response
from probes.identity import comparable, tie

KEY = keys.generate("reading", 512)
NAME = "mail.example.org"


def shows(leaf: Certificate | bytes, digest: str = "ab") -> Response:
    octets = leaf if isinstance(leaf, bytes) else der(leaf, KEY)
    return Response(401, (), b"", truncated=False, certificate=digest, leaf=octets)


def common(name: str) -> Certificate:
    """A certificate without alternative names, as old ones are."""
    own = (("CN", name),)
    plain = self_signed("x", "example.org")
    return Certificate(own, own, (), plain.begins, 100)


EXCHANGE = ("exchange",)
TABLE: list[tuple[Known, Response, str | None]] = [
    # A certificate was seen: that alone decides, whatever else would agree.
    (Known(("ab",), EXCHANGE, NAME), shows(public("other.example.net")), "certificate"),
    (Known(("AB",)), shows(b"", "ab"), "certificate"),
    (Known(("cd", "ab")), shows(b"", "ab"), "certificate"),
    (Known(("cd",), EXCHANGE, NAME), shows(public(NAME)), None),
    (Known(("cd",), EXCHANGE, NAME), shows(b"", ""), None),
    # None was: the name that clients ask for.
    (Known((), (), NAME), shows(public("example.org", NAME)), "name"),
    (Known((), (), NAME.upper()), shows(public(NAME)), "name"),
    (Known((), (), NAME), shows(public("*.example.org")), "name"),
    (Known((), (), "a.mail.example.org"), shows(public("*.example.org")), None),
    (Known((), (), "example.org"), shows(public("*.example.org")), None),
    (Known((), (), NAME), shows(public("*")), None),
    (Known((), (), NAME), shows(common(NAME)), "name"),
    (Known((), (), NAME), shows(public("other.example.org")), None),
    (Known((), (), NAME), shows(b"no certificate"), None),
    (Known((), (), NAME), shows(b""), None),
    # Not for that name: the product, unless an authority says that it is somebody else's.
    (Known((), EXCHANGE, NAME), shows(self_signed("EX01", "corp.local")), "product"),
    (Known((), EXCHANGE, NAME), shows(public("ex01.example.org")), "product"),
    (Known((), EXCHANGE, NAME), shows(public("mail.example.net")), None),
    (Known((), EXCHANGE, NAME), shows(public("mail.example.net", "ex01.example.org")), "product"),
    (Known((), EXCHANGE, None), shows(public("mail.example.net")), "product"),
    (Known((), EXCHANGE, NAME), shows(b""), "product"),
    (Known((), ("other",), NAME), shows(self_signed("EX01", "corp.local")), None),
]  # fmt: skip


@pytest.mark.parametrize(("known", "answer", "expected"), TABLE)
def test_what_ties_an_answer_to_a_server(known: Known, answer: Response, expected: str | None) -> None:
    assert tie(known, answer) == expected
    assert comparable(known)


@pytest.mark.parametrize("known", [Known(), Known((), ("other", "unknown"), None), Known((), (), "")])
def test_nothing_can_agree_with_nothing(known: Known) -> None:
    assert not comparable(known)
    assert tie(known, shows(public(NAME))) is None
