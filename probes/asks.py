"""What a probe is handed and what it gives back. It asks by path and sees no address, no socket and no permit.

A probe is ``def probe(wire: Asks, known: Known) -> Answer``. It lets ``Failed`` through: the wire knows what went
wrong better than it does.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple, Protocol

if TYPE_CHECKING:
    from collections.abc import Callable

    from agent.leave import Outcome


class Failed(Exception):  # noqa: N818 - a probe that does not come through is an ordinary end of one
    """A request did not come to its answer. ``outcome``: of agent.leave.OUTCOMES; ``detail``: a few words of ours."""

    def __init__(self, outcome: Outcome, detail: str) -> None:
        super().__init__(f"{outcome}: {detail}")
        self.outcome = outcome
        self.detail = detail


class Response(NamedTuple):
    """One answer. ``status``: 200 to 999, whatever it is (a redirect is an answer, and is not followed).

    ``headers``: in the order received, names in lower case, values in latin-1, one name as often as it came.
    ``body``: decoded from its transfer coding and no other; ``truncated``: there was more, or it ended early.
    ``certificate``: SHA-256 of the leaf that this connection showed, in hex; ``leaf``: that certificate in DER.
    """

    status: int
    headers: tuple[tuple[str, str], ...]
    body: bytes
    truncated: bool
    certificate: str
    leaf: bytes = b""


class Asks(Protocol):
    """A wire as a probe sees it: bound to one server, for a few requests and a few seconds."""

    @property
    def certificate(self) -> str:
        """SHA-256 of the leaf certificate of the last connection in hex, "" as long as none was shown."""

    def get(self, path: str) -> Response:
        """The answer to one ``GET`` of a path like "/owa/", on a connection of its own.

        Raises Failed: the connection was refused, broke off, took too long, spoke something else, or was cancelled.
        Raises ValueError for what is no path, and for one connection more than the grant has: these are ours.
        """


class Known(NamedTuple):
    """What the grant says of the server: leaf certificates (SHA-256, hex) and products seen, in no order.

    ``name``: what the wire asks for, as clients were seen to ask for it; a certificate may be one for it.
    """

    certificates: tuple[str, ...] = ()
    products: tuple[str, ...] = ()
    name: str | None = None


class Answer(NamedTuple):
    """What a probe makes of the answers. ``outcome``: of agent.leave.OUTCOMES; ``detail``: a few words of ours.

    ``told``: the observations, as (kind of agent.model.KINDS, value) in the order in which they were made.
    """

    outcome: Outcome
    detail: str = ""
    told: tuple[tuple[str, str], ...] = ()


if TYPE_CHECKING:
    Probe = Callable[[Asks, Known], Answer]
