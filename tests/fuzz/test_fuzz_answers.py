"""The reading of answers to a probe, from the bytes of a stranger: by the parser that the wire has, then by ours."""

from __future__ import annotations

import time

import h11

from agent.lab.fronts import NAME, PATHS, answer, pages
from agent.leave import OUTCOMES
from agent.model import KINDS
from probes.asks import Answer, Failed, Known, Response
from probes.exchange_http import probe
from probes.reading import MAX_VALUE
from tests.fuzz.mutation import Mutator
from tests.fuzz.test_fuzz import certificate

MAX_SECONDS = 1.0
HEAD, BODY = 16 << 10, 64 << 10  # what the wire takes of one answer
DER = certificate()
CORPUS = [
    *pages("2019").values(),
    *pages("2010").values(),
    answer("200 OK", ("Content-Type", "text/html"), body=b"<html><title>Outlook Web App</title>" + b"x" * 500),
    answer("302 Found", ("Location", f"https://jan:geheim@{NAME}/owa/auth/logon.aspx?u=jan"), ("Via", "1.1 192.0.2.7")),
    b"HTTP/1.1 401 Unauthorized\r\nWWW-Authenticate: NTLM TlRMTVNTUAACAAAACAAIADgAAAAVgoni\r\n"
    b"Transfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n",
    b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 404 Not Found\r\nServer: nginx/1.26.2\r\nContent-Length: 0\r\n\r\n",
]
KNOWN = [
    Known(("ab",), ("exchange",), NAME), Known((), ("exchange",), "ex01.example.org"), Known((), ("exchange",), None),
]  # fmt: skip


class Stream:
    """A wire on which each answer is the next of some streams of bytes. The certificate is as damaged as the rest."""

    certificate = ""

    def __init__(self, streams: list[bytes], leaf: bytes) -> None:
        self.streams = streams
        self.leaf = leaf

    def get(self, path: str) -> Response:
        assert path in PATHS
        return parsed(self.streams.pop(0), self.leaf)


def parsed(stream: bytes, leaf: bytes) -> Response:
    """As httpcore and the wire make of it: an answer, or Failed."""
    line = h11.Connection(h11.CLIENT, max_incomplete_event_size=HEAD)
    line.send(h11.Request(method="GET", target="/", headers=[("Host", "x")]))
    line.send(h11.EndOfMessage())
    head, body = None, b""
    try:
        line.receive_data(stream)
        line.receive_data(b"")
        while not isinstance(event := line.next_event(), h11.EndOfMessage | h11.ConnectionClosed):
            if isinstance(event, h11.Response):
                head = event
            elif isinstance(event, h11.Data):
                body += bytes(event.data)
            elif event in (h11.NEED_DATA, h11.PAUSED):
                break
    except h11.RemoteProtocolError:
        pass
    if head is None:
        raise Failed("protocol_error", "the answer is not HTTP")
    named = tuple((n.decode("latin-1").lower(), v.decode("latin-1")) for n, v in head.headers.raw_items())
    return Response(head.status_code, named, body[:BODY], truncated=True, certificate="ab", leaf=leaf)


def test_answers(fuzz_seconds: float, fuzz_seed: int) -> None:
    for seed in CORPUS:
        assert parsed(seed, DER).headers, "a seed that tells nothing reaches nothing"
    mutator, leaves = Mutator(fuzz_seed, CORPUS), Mutator(fuzz_seed, [DER])
    until, outcomes = time.process_time() + fuzz_seconds, set()
    # Both are seen, however few there are in that time; that they come at all, no_hang sees to.
    while time.process_time() < until or not outcomes >= {"confirmed", "protocol_error"}:
        streams, leaf = [mutator.message() for _ in PATHS], leaves.message()
        known = mutator.random.choice(KNOWN)
        try:
            outcomes.add(check(list(streams), leaf, known))
        except Exception as error:
            error.add_note(f"--fuzz-seed {fuzz_seed}: {known} {leaf.hex()} {[stream.hex() for stream in streams]}")
            raise


def check(streams: list[bytes], leaf: bytes, known: Known) -> str:
    sent, began = b"".join(streams).lower(), time.process_time()
    try:
        made = probe(Stream(streams, leaf), known)
    except Failed as failed:
        made = Answer(failed.outcome, failed.detail)
    assert time.process_time() - began < MAX_SECONDS
    assert made.outcome in OUTCOMES
    assert len(made.told) <= 64
    for kind, value in made.told:
        assert kind in KINDS
        assert 0 < len(value) <= MAX_VALUE
        value.encode()
    if made.outcome == "confirmed":
        assert any(sign in sent for sign in (b"x-owa", b"x-feserver", b"/owa/auth/", b"x-soap", b"outlook"))
    return made.outcome
