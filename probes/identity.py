"""Whether who answers is who was seen: before that is sure, nothing of an answer is believed.

The strongest thing that is known decides. Leaf certificates that were seen on that port: the answer has to show one of
them. A certificate that was renewed since is then another server's: clients meet the new one first, and so does who
looks; until then there is no hurry. Where none was seen (TLS 1.3 hides them): a certificate for the name that clients
ask for. Where it is for no such name, as those that Exchange's own setup makes: the product that was seen, so that
only an answer which is that product counts, and none under a certificate that an authority gave to some other domain:
that is the next holder of the address, who may have an Exchange too. Where nothing is known, nothing is asked.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

from agent.errors import Malformed
from agent.exchange.corroborate import fields
from agent.forms.certificate import describe

if TYPE_CHECKING:
    from collections.abc import Sequence

    from probes.asks import Known, Response

Tie = Literal["certificate", "name", "product"]


def comparable(known: Known) -> bool:
    """Whether anything is known that an answer could agree with."""
    return bool(known.certificates or known.name or "exchange" in known.products)


def tie(known: Known, answer: Response) -> Tie | None:
    """By what the answer is tied to the server that was seen, the strongest first; None where it is another's."""
    if known.certificates:
        return "certificate" if answer.certificate.lower() in map(str.lower, known.certificates) else None
    shown, name = _shown(answer.leaf), (known.name or "").lower()
    names = _names(shown)
    if name and any(_covers(one, name) for one in names):
        return "name"
    if "exchange" not in known.products:
        return None
    others = name and shown.get("self_signed") == "no" and not any(_domain(one) == _domain(name) for one in names)
    return None if others else "product"


def _shown(leaf: bytes) -> dict[str, str]:
    try:
        return fields(describe(leaf)) if leaf else {}
    except Malformed:
        return {}


def _domain(name: str) -> list[str]:
    """The last two labels: what is broader than a customer's domain is told apart by the rest."""
    return name.split(".")[-2:]


def _names(told: dict[str, str]) -> Sequence[str]:
    """The DNS names of a certificate; where it has none, its common name (RFC 6125 6.4.4)."""
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
