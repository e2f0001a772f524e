"""The operator's own webhook: told of each step, signed, by https, and of nobody's address.

What is to be told comes from the agent, few at a time, and is told in that order; the agent keeps it until it is said
here that it is at its end, so that nothing is lost with this process.

    X-Knockfirst-Timestamp: 1780000000
    X-Knockfirst-Signature: sha256=<HMAC-SHA-256 of "1780000000." and the body, in hexadecimal>

What is not taken is tried again until it is three days old, and then given up and counted: the record has it, too.
A redirection is not followed, and of an answer nothing is read but its status.
"""

from __future__ import annotations

import hmac
import json
import queue
import ssl
import threading
import time
from collections import Counter
from http.client import HTTPException, HTTPSConnection  # noqa: TID251  (to the one URL of the configuration)
from itertools import chain, repeat
from typing import TYPE_CHECKING, Any

from agent.errors import ConfigError
from agent.places import url

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

_SECONDS = 10.0  # for connecting, and for each step after it
_WAITS = (1.0, 5.0, 30.0, 120.0, 480.0)  # seconds between attempts, the last for as long as it takes
_LONG = 3 * 86_400.0  # seconds after which an event is not worth another attempt
_LEAST = 16  # characters of a secret
_AGAIN = (408, 425, 429)  # of 4xx, what is worth another attempt


class Webhook:
    """At an https URL, with a thread of its own. ``counts``: as agent.notice.WORK has it; ``counted`` hears of each.

    ``now``: seconds since the epoch; ``wait``: sleeps so many seconds.
    """

    def __init__(
        self,
        to: str,
        secret: bytes,
        context: ssl.SSLContext,
        now: Callable[[], float],
        wait: Callable[[float], object] = time.sleep,
        counted: Callable[[], object] = lambda: None,
    ) -> None:
        self._host, self._port, self._path = url(to)
        self._secret = secret
        self._context = context
        self._now = now
        self._wait = wait
        self._counted = counted
        self._events: queue.SimpleQueue[dict[str, Any]] = queue.SimpleQueue()
        self._ended: queue.SimpleQueue[str] = queue.SimpleQueue()
        self._held: set[str] = set()
        self.counts: Counter[str] = Counter()

    def begin(self) -> None:
        threading.Thread(target=self._work, name="webhook", daemon=True).start()

    def tell(self, event: dict[str, Any]) -> None:
        """Tell it, soon; an agent that is new says once more what is held here already, which is not told twice."""
        if event["id"] not in self._held:
            self._held.add(event["id"])
            self._events.put(event)

    def ended(self) -> Iterator[str]:
        """The ids of what has come to its end, taken or given up; each once. For the thread that ``tell`` is for."""
        while not self._ended.empty():
            ident = self._ended.get()
            self._held.discard(ident)
            yield ident

    def _count(self, how: str) -> None:
        self.counts[how] += 1
        self._counted()

    def _work(self) -> None:
        while True:
            event = self._events.get()
            how = "delivered" if self.told(event) else "given_up"
            self._ended.put(event["id"])
            self._count(how)

    def told(self, event: dict[str, Any]) -> bool:
        """Tell it now, as often as that takes; whether it was taken."""
        body = json.dumps(event, separators=(",", ":"), sort_keys=True).encode()
        for wait in chain(_WAITS, repeat(_WAITS[-1])):
            code = self._posted(body)
            if 200 <= code < 300:
                return True
            if (400 <= code < 500 and code not in _AGAIN) or self._now() - event["time"] > _LONG:
                return False
            self._count("retried")
            self._wait(wait)
        raise AssertionError  # it does not end by itself

    def _posted(self, body: bytes) -> int:
        """The status of the answer; 0 for none."""
        connection = HTTPSConnection(self._host, self._port, timeout=_SECONDS, context=self._context)
        stamp = str(int(self._now()))
        try:
            connection.request("POST", self._path, body, {
                "Content-Type": "application/json",
                "User-Agent": "knockfirst",
                "X-Knockfirst-Timestamp": stamp,
                "X-Knockfirst-Signature": f"sha256={signature(self._secret, stamp, body)}",
            })  # fmt: skip
            return connection.getresponse().status
        except (OSError, HTTPException, ValueError):
            return 0
        finally:
            connection.close()


def signature(secret: bytes, stamp: str, body: bytes) -> str:
    """HMAC-SHA-256 over ``stamp.body``, in hexadecimal. Who is told compares it, and looks at how old the stamp is."""
    return hmac.digest(secret, stamp.encode() + b"." + body, "sha256").hex()


def opened(
    to: str, secret: str, ca: str, now: Callable[[], float], counted: Callable[[], object] = lambda: None
) -> Webhook:
    """The webhook of a configuration. Raises ConfigError."""
    if len(secret) < _LEAST:
        raise ConfigError(f"notices.webhook: credential webhook-secret has to have {_LEAST} characters or more")
    context = ssl.create_default_context()
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    if ca:
        try:
            context.load_verify_locations(ca)
        except OSError as error:
            raise ConfigError(f"notices.ca: {ca}: {error.strerror or error}; name a file of certificates") from None
    return Webhook(to, secret.encode(), context, now, counted=counted)
