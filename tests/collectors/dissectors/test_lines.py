"""What holds for every dissector of a text protocol: cuts, faults, bounds, TLS within, and no personal data told."""

from __future__ import annotations

import base64
from typing import ClassVar

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from agent.errors import Malformed
from collectors.dissectors import Fact
from collectors.dissectors.http import HttpServer
from collectors.dissectors.lines import BUDGET, LineDissector
from collectors.dissectors.mailbox import ImapServer, PopServer
from collectors.dissectors.smtp import SmtpServer
from tests.text import GREETING, ntlm_token, reply, told
from tests.wire import held, pieces, record, server_hello

Make = type[LineDissector]

EHLO = reply(250, "ex01.example.org Hello [192.0.2.7]", "SIZE 37748736", "X-EXPS GSSAPI NTLM", "XRDST")
TLS = record(server_hello())

STREAMS: dict[Make, tuple[bytes, ...]] = {
    SmtpServer: (
        (GREETING + EHLO + "220 2.0.0 SMTP server ready\r\n").encode() + TLS,
        (GREETING + EHLO + f"334 {ntlm_token()}\r\n" + reply(214, "x", "HELO EHLO") + "354 go\r\n").encode(),
        (GREETING + EHLO + "no reply\r\n" + EHLO).encode(),
    ),
    ImapServer: (
        b"* OK [CAPABILITY IMAP4rev1 STARTTLS] ready\r\n* CAPABILITY IMAP4rev1\r\na OK go\r\n" + TLS,
        f"* OK ready\r\n+ {ntlm_token()}\r\n* 1 FETCH (BODY {{9}}\r\n* OK no\r\n".encode(),
    ),
    PopServer: (
        b"+OK ready <1.2@mx.example.org>\r\n+OK\r\nTOP\r\nSASL NTLM\r\nSTLS\r\n.\r\n+OK Begin TLS\r\n" + TLS,
        f"+OK ready\r\n+ {ntlm_token()}\r\n+OK jan logged on\r\n+OK\r\nTOP\r\n.\r\n".encode(),
    ),
    HttpServer: (
        b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 401 No\r\nServer: a\r\n b\r\nX-OWA-Version: 15.2.1748.36\r\n"
        b"WWW-Authenticate: NTLM " + ntlm_token().encode() + b"\r\nX-FEServer: EX01\r\n\r\n<html>\x00",
        b"HTTP/1.1 200 OK\r\nServer: a\r\nX-FEServer: EX01\r\nfault\r\n\r\n",
    ),
}
CASES = [(make, stream) for make, streams in STREAMS.items() for stream in streams]


@pytest.mark.parametrize(("make", "stream"), CASES)
def test_byte_by_byte(make: Make, stream: bytes) -> None:
    whole, singly = told(make(), stream), told(make(), *(stream[at : at + 1] for at in range(len(stream))))
    assert whole[0], "a stream that tells nothing proves nothing"
    assert singly == whole


@settings(max_examples=150, deadline=None)
@given(st.sampled_from(CASES), st.lists(st.integers(0, 700), max_size=8), st.binary(max_size=30))
@example(CASES[0], [len(CASES[0][1]) - len(TLS) + 1], b"")
def test_any_cut(case: tuple[Make, bytes], cuts: list[int], trailing: bytes) -> None:
    make, stream = case
    assert told(make(), *pieces(stream + trailing, cuts)) == told(make(), stream + trailing)


@pytest.mark.parametrize(("make", "stream"), CASES)
def test_a_stream_cut_short_tells_no_other_facts(make: Make, stream: bytes) -> None:
    """Every prefix tells a prefix of the facts; SMTP's greeting may lack words, an HTTP header its folded lines."""
    facts = told(make(), stream)[0]
    for stop in range(len(stream)):
        partial = told(make(), stream[:stop])[0]
        if partial and partial[-1][0] in ("smtp.greeting", "http.server"):
            kind, value = partial.pop()
            assert facts[len(partial)][0] == kind
            assert facts[len(partial)][1].startswith(value)
        assert partial == facts[: len(partial)]


# Pieces of the four protocols, so that random streams get further than their first line.
WORDS = (
    b"220 ", b"220-", b"250-", b"250 ", b"214-HELO", b"334 ", b"354 ", b"550 5.7.1 Unable to relay", b"SIZE", b"XRDST",
    b"TlRMTVNTUAAC", ntlm_token().encode(), b"[InternalId=1, Hostname=a]", b" Queued mail for delivery",
    b"* OK ", b"* PREAUTH ", b"* CAPABILITY IMAP4rev1", b"[CAPABILITY IMAP4", b"+ ", b"a1 OK ", b"{12}",
    b"+OK", b"+OK ", b"-ERR ", b"TOP", b"UIDL", b".", b"SASL ", b"IMPLEMENTATION x",
    b"HTTP/1.1 200 OK", b"HTTP/1.0 100 ", b"Server: ", b"Location: ", b"WWW-Authenticate: ", b"Set-Cookie: ",
    b"realm=\"", b"Bearer ", b"client_id=", b"X-OWA-Version: ", b"//", b"@", b"%40", b"?", b"<", b">", b"\xff",
    b"\x00", b"\t", b"\x16", b"\x16\x03", TLS, b"x" * 700, b" ", b":", b"\r\n", b"\r\n", b"\r\n", b"\n", b"\r",
)  # fmt: skip
SOUP = st.lists(st.sampled_from(WORDS) | st.binary(max_size=6), max_size=60).map(b"".join)


@settings(max_examples=250, deadline=None)
@given(st.sampled_from([*STREAMS]), st.sampled_from([b"", *(stream for _, stream in CASES)]), SOUP)
def test_any_bytes(make: Make, before: bytes, soup: bytes) -> None:
    """Nothing but Malformed is raised (``told`` lets anything else pass), and the same for every cut."""
    whole = told(make(), before + soup)
    assert told(make(), before, soup) == whole
    assert told(make(), *pieces(before + soup, range(0, len(before + soup), 7))) == whole
    assert all(kind and value for kind, value in whole[0])


class Swallow:
    """Stands in for the TLS dissector: takes all, holds nothing, tells how much it was."""

    collector: ClassVar[str] = "tls"

    def __init__(self) -> None:
        self.done = False
        self.size = 0

    def feed(self, data: bytes) -> list[Fact]:
        self.size += len(data)
        return []

    def end(self) -> list[Fact]:
        return [("tls.sni", str(self.size))]


@pytest.mark.parametrize("make", [SmtpServer, ImapServer, PopServer])
@pytest.mark.parametrize("size", [2, 3, 1000, BUDGET, 2 * BUDGET])
def test_tls_takes_the_rest(make: Make, size: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(make, "tls_server", Swallow)
    greeting = {SmtpServer: b"220 x\r\n", ImapServer: b"* OK x\r\n", PopServer: b"+OK x\r\n"}[make]
    rest = (b"\x16\x03" + b"220 no\r\n" * size)[:size]
    for parts in ((greeting + rest,), (greeting, rest), (greeting + b"\x16", rest[1:])):
        facts, fault = told(make(), *parts)
        assert facts[-1] == ("tls.sni", str(min(size, BUDGET - len(greeting))))
        assert len(facts) == 2
        assert not fault


# What grows without end: lines, replies, lists, folded lines, and streams of short things.
FLOODS: tuple[tuple[Make, bytes, bytes], ...] = (
    (SmtpServer, b"220-", b"x"),
    (SmtpServer, b"", b"220-\r\n"),
    (SmtpServer, GREETING.encode() + b"250-mx\r\n", b"250-SIZE 1\r\n"),
    (SmtpServer, GREETING.encode(), EHLO.encode()),
    (ImapServer, b"* OK x\r\n", b"* CAPABILITY IMAP4 A\r\n* CAPABILITY IMAP4 B\r\n"),
    (ImapServer, b"* CAPABILITY IMAP4", b" X"),
    (PopServer, b"+OK x\r\n+OK\r\n", b"TOP\r\n"),
    (PopServer, b"+OK x\r\n", b"+OK\r\nTOP\r\n.\r\n"),
    (HttpServer, b"HTTP/1.1 200 OK\r\nServer: x\r\n", b" " + b"y" * 99 + b"\r\n"),
    (HttpServer, b"HTTP/1.1 200 OK\r\n", b"Server: x\r\n"),
    (HttpServer, b"HTTP/1.1 200 OK\r\n", b"x"),
    (HttpServer, b"", b"HTTP/1.1 100 x\r\n\r\n"),
)


@pytest.mark.parametrize(("make", "start", "unit"), FLOODS)
@pytest.mark.parametrize("step", [97, 1500])
def test_bounded(make: Make, start: bytes, unit: bytes, step: int) -> None:
    """16 KiB at most between two segments, as counted and as kept; and an end within the budget."""
    dissector = make()
    stream = start + unit * (BUDGET // len(unit) + 1)
    fed = 0
    try:
        while not dissector.done:
            dissector.feed(stream[fed : fed + step])
            fed += step
            assert dissector.held <= 16384
            assert held(dissector) <= 16384
            assert fed < BUDGET + 2 * step
    except Malformed:
        assert fed < 2 * 16384


@pytest.mark.parametrize(("beyond", "facts"), [(0, 1), (1, 0)])
def test_nothing_is_read_beyond_the_budget(beyond: int, facts: int) -> None:
    room = BUDGET - len(EHLO) + beyond
    before = b"250 2.0.0 OK\r\n" * (room // 14 - 1)
    before += b"250 " + b"x" * (room - len(before) - 5) + b"\n"
    dissector = SmtpServer()
    assert len(told(dissector, before + EHLO.encode())[0]) == facts
    assert dissector.done


# Everything personal that a peer could say, and where.
SECRETS = ("jan.jansen", "geheim77", "192.0.2.66", "2001:db8:66::66", "sessie88")
MAIL, PASSWORD, CLIENT, CLIENT6, COOKIE = "jan.jansen@example.net", *SECRETS[1:]
MESSAGE = f"From: {MAIL}\r\nReceived: from [{CLIENT}]\r\n\r\n+OK {PASSWORD}\r\n* OK {PASSWORD}\r\n220 {PASSWORD}\r\n"
LEAKS: tuple[tuple[Make, str], ...] = (
    (SmtpServer, f"220 mx.example.org ESMTP for {MAIL} at [{CLIENT}] [IPv6:{CLIENT6}]\r\n"),
    (SmtpServer, f"220-mx.example.org\r\n220-{MAIL}\r\n220 {CLIENT6}, {CLIENT}\r\n"),
    (SmtpServer, reply(250, f"mx Hello [{CLIENT}] {MAIL}", "SIZE", f"XFOO {MAIL} {CLIENT}", f"XBAR={CLIENT6}")),
    (SmtpServer, reply(250, f"mx says hi to jan.jansen {CLIENT}", "SIZE")),
    (SmtpServer, reply(250, f"jan.jansen <{MAIL}>", f"jan.jansen <{MAIL}>", "jan.jansen")),
    (SmtpServer, reply(214, f"HELO EHLO {MAIL}", f"{CLIENT} {CLIENT6}")),
    (SmtpServer, f"250 2.1.0 {MAIL}....Sender OK\r\n250 2.1.0 Sender OK {MAIL}\r\n250 2.1.5 Recipient OK {CLIENT}\r\n"),
    (SmtpServer, f"500 5.3.3 Unrecognized command '{PASSWORD}'\r\n535 5.7.3 Authentication unsuccessful {CLIENT}\r\n"),
    (SmtpServer, f"550 5.7.1 Unable to relay for {MAIL}\r\n252 2.1.5 Cannot VRFY user jan.jansen\r\n"),
    (SmtpServer, f"334 {base64.b64encode(PASSWORD.encode()).decode()}\r\n235 2.7.0 jan.jansen\r\n"),
    (SmtpServer, f"354 go\r\n250-{MAIL}\r\n250 SIZE {PASSWORD}\r\n214 HELO {PASSWORD}\r\n220 {PASSWORD}\r\n"),
    (SmtpServer, f"250 2.6.0 <{MAIL}> [InternalId=1, Hostname=EX01] from {CLIENT} Queued mail for delivery\r\n"),
    (ImapServer, f"* OK hi {MAIL} at {CLIENT} and {CLIENT6}\r\n* OK jan.jansen\r\na OK jan.jansen\r\n"),
    (ImapServer, "* PREAUTH server logged in as jan.jansen\r\n"),
    (ImapServer, f"* CAPABILITY IMAP4 {MAIL} {CLIENT}\r\n* OK [CAPABILITY IMAP4 {PASSWORD}] x\r\n"),
    (ImapServer, f"* OK x\r\n* 1 FETCH (BODY[] {{{len(MESSAGE)}}}\r\n{MESSAGE})\r\n* CAPABILITY IMAP4 {PASSWORD}\r\n"),
    (ImapServer, f'* OK x\r\n* LIST () "/" jan.jansen\r\n* CAPABILITY IMAP4 {PASSWORD}\r\n'),
    (ImapServer, f"* OK x\r\n+ {base64.b64encode(PASSWORD.encode()).decode()}\r\na NO jan.jansen\r\n"),
    (PopServer, f"+OK hi {MAIL} {CLIENT} {CLIENT6} <1.{PASSWORD}@mx>\r\n"),
    (PopServer, "+OK jan.jansen has 3 messages\r\n+OK jan.jansen\r\n-ERR jan.jansen\r\n"),
    (PopServer, f"+OK x\r\n+OK\r\nTOP\r\nIMPLEMENTATION {MAIL} {CLIENT}\r\n.\r\n"),
    (PopServer, f"+OK x\r\n+OK\r\nTOP\r\njan.jansen\r\n.\r\n+OK\r\nTOP\r\nIMPLEMENTATION {PASSWORD}\r\n.\r\n"),
    (PopServer, f"+OK x\r\n+OK\r\n+OK logged in, jan.jansen\r\n+OK 99 octets\r\n{MESSAGE}.\r\n"),
    (PopServer, f"+OK x\r\n+OK\r\n{MESSAGE}.\r\n+OK\r\nIMPLEMENTATION {PASSWORD}\r\n.\r\n"),
    (HttpServer, f"HTTP/1.1 302 {PASSWORD}\r\nServer: x ({MAIL}; {CLIENT}; {CLIENT6})\r\n"),
    (HttpServer, f"HTTP/1.1 302 x\r\nLocation: https://jan.jansen:{PASSWORD}@mx/{MAIL}/?u={MAIL}&p={PASSWORD}\r\n\r\n"),
    (HttpServer, f"HTTP/1.1 302 x\r\nLocation: /owa#{COOKIE}\r\nLocation: /%3f{COOKIE}\r\nLocation: /;s={COOKIE}\r\n"),
    (HttpServer, f"HTTP/1.1 302 x\r\nLocation: //[{CLIENT6}]/\r\nLocation: //{CLIENT}:80/\r\nVia: 1.1 {CLIENT}\r\n"),
    (HttpServer, f"HTTP/1.1 200 x\r\nSet-Cookie: cadata={COOKIE}; Path=/{PASSWORD}\r\nSet-Cookie: {COOKIE}=1\r\n\r\n"),
    (HttpServer, f'HTTP/1.1 401 x\r\nWWW-Authenticate: Basic realm="{MAIL} {CLIENT} {CLIENT6}"\r\n\r\n'),
    (HttpServer, f'HTTP/1.1 401 x\r\nWWW-Authenticate: Digest nonce="{COOKIE}", realm="x", opaque={COOKIE}\r\n\r\n'),
    (HttpServer, f"HTTP/1.1 401 x\r\nWWW-Authenticate: Negotiate {COOKIE}\r\nWWW-Authenticate: {PASSWORD}\r\n\r\n"),
    (HttpServer, f"HTTP/1.1 200 x\r\nX-FEServer: jan jansen {PASSWORD}\r\nX-OWA-Version: {PASSWORD}\r\n\r\n"),
    (HttpServer, f"HTTP/1.1 200 x\r\nX-FailureContext: FrontEnd;{COOKIE}\r\nrequest-id: {COOKIE}\r\nX: {MAIL}\r\n\r\n"),
    (HttpServer, f"HTTP/1.1 200 x\r\nX-DiagInfo: {CLIENT}\r\nX-Powered-By: {MAIL}\r\n\r\nServer: {PASSWORD}\r\n\r\n"),
)  # fmt: skip


@pytest.mark.parametrize(("make", "stream"), LEAKS)
def test_nothing_personal_is_told(make: Make, stream: str) -> None:
    for parts in ((stream,), tuple(stream), (stream[: len(stream) * 2 // 3],)):
        said = "\n".join(value for _, value in told(make(), *parts)[0])
        assert not [secret for secret in SECRETS if secret in said.lower()]
        assert "@" not in said
