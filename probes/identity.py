"""Whether who answers is who was seen: before that is sure, nothing of an answer is believed.

The strongest thing that is known decides. Leaf certificates that were seen on that port: the answer has to show one of
them. A certificate that was renewed since is then another server's: clients meet the new one first, and so does who
looks; until then there is no hurry. Where none was seen (TLS 1.3 hides them): a certificate for the name that clients
ask for. Where it is for no such name, as those that Exchange's own setup makes: the product that was seen, so that
only an answer which is that product counts. Where nothing is known, nothing is asked.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

from agent.errors import Malformed
from agent.exchange.corroborate import fields
from agent.forms.certificate import describe

if TYPE_CHECKING:
    from collections.abc import Iterable

    from probes.asks import Known, Response

Tie = Literal["certificate", "name", "product"]


def comparable(known: Known) -> bool:
    """Whether anything is known that an answer could agree with."""
    return bool(known.certificates or known.name or "exchange" in known.products)


def tie(known: Known, answer: Response) -> Tie | None:
    """By what the answer is tied to the server that was seen, the strongest first; None where it is another's."""
    if known.certificates:
        return "certificate" if answer.certificate.lower() in map(str.lower, known.certificates) else None
    if known.name and any(_covers(one, known.name.lower()) for one in _names(answer.leaf)):
        return "name"
    return "product" if "exchange" in known.products else None


def _names(leaf: bytes) -> Iterable[str]:
    """The DNS names of a certificate; where it has none, its common name (RFC 6125 6.4.4)."""
    try:
        told = fields(describe(leaf)) if leaf else {}
    except Malformed:
        return ()
    if "san" in told:
        return told["san"].lower().split(",")
    first = told.get("subject", "").split(",", 1)[0]
    return (first[3:].lower(),) if first.startswith("CN=") else ()


def _covers(pattern: str, name: str) -> bool:
    """RFC 6125 6.4.3: an asterisk stands for the whole of the first label and for nothing else."""
    if pattern.startswith("*."):
        label, _, rest = name.partition(".")
        return bool(label) and rest == pattern[2:]
    return pattern == name
