"""HTTP response heads -> facts."""

from __future__ import annotations

import pytest

from agent.forms.headers import HEADERS
from collectors.dissectors.http import HttpServer
from tests.text import Facts, ntlm_token, told

OK = ("http.status", "200")
BEARER = (
    'Bearer client_id="00000002-0000-0ff1-ce00-000000000000", trusted_issuers="00000001-0000-0000-c000-0@*", '
    'token_types="app_asserted_user_v1", authorization_uri="https://login.example.com/authorize?u=jan"'
)

# One header line -> what is told of it.
LINES: dict[str, list[str]] = {
    "X-OWA-Version: 15.2.1748.36": ["X-OWA-Version: 15.2.1748.36"],
    "x-owa-version:14.3.123.4 ": ["x-owa-version: 14.3.123.4"],
    "X-OWA-Version: 15.2.1748.36 jan": [],
    "X-OWA-Version: \u0661\u0665.2.1748.36": [],
    "X-OWA-Version: 2001:db8::1": [],
    "X-AspNet-Version: 4.0.30319": ["X-AspNet-Version: 4.0.30319"],
    "MS-Server-ActiveSync: 14.2": ["MS-Server-ActiveSync: 14.2"],
    "MS-ASProtocolVersions: 2.0,2.1,14.1,16.1": ["MS-ASProtocolVersions: 2.0,2.1,14.1,16.1"],
    "X-ServerApplication: Exchange/15.02.2562.045": ["X-ServerApplication: Exchange/15.02.2562.045"],
    "X-BackEndHttpStatus: 302,302": ["X-BackEndHttpStatus: 302,302"],
    "X-FEServer: EX01": ["X-FEServer: EX01"],
    "X-FEServer: Jan Jansen": [],
    "X-CalculatedBETarget: ex01.corp.example.org": ["X-CalculatedBETarget: ex01.corp.example.org"],
    "X-DiagInfo: 192.0.2.7": ["X-DiagInfo: <ip>"],
    "X-RUM-Validated: 1": ["X-RUM-Validated: 1"],
    "X-RUM-NotUpdateQueriedPath: /owa/jan?x": [],
    "X-FailureContext: FrontEnd;401;VW5hdXRob3JpemVk;;;;": ["X-FailureContext: FrontEnd"],
    "X-FailureContext: jan@example.org;401": [],
    "X-Powered-By: ASP.NET": ["X-Powered-By: ASP.NET"],
    "X-SOAP-Enabled: True": ["X-SOAP-Enabled: True"],
    "Via: 1.1 proxy.example.org, 1.1 192.0.2.7 (jan@example.org)": ["Via: 1.1 proxy.example.org, 1.1 <ip> (<mail>)"],
    "X-Z-Push-Version: 2.6.4+0": ["X-Z-Push-Version: 2.6.4+0"],
    "request-id: 3f1c2b8e-0000-4000-8000-0123456789ab": ["request-id: present"],
    "Set-Cookie: X-BackEndCookie=S-1-5-21=u56; path=/owa": ["Set-Cookie: X-BackEndCookie"],
    "set-cookie: CADATA=secret": ["set-cookie: cadata"],
    "Set-Cookie: jansession=secret": [],
    "Set-Cookie: secret": [],
    "X-Forwarded-For: 192.0.2.7": [],
    "Content-Type: text/html": [],
    "X-OWA-Version-Of: 15.2.1748.36": [],
    "Location: /owa/auth/logon.aspx?url=https%3a%2f%2fmail.example.org&reason=0": ["Location: /owa/auth/logon.aspx"],
    "Location: https://mail.example.org:443/owa/#frag": ["Location: https://mail.example.org:443/owa/"],
    "Location: https://jan:geheim@mail.example.org/owa": ["Location: https://mail.example.org/owa"],
    "Location: https://jan%3Ageheim%40x@mail.example.org//owa": ["Location: https://mail.example.org//owa"],
    "Location: //jan@mail.example.org/ecp/": ["Location: //mail.example.org/ecp/"],
    "Location: /owa/jan@example.org/Inbox": ["Location: /owa/Inbox"],
    "Location: /owa/jan%40example.org/": ["Location: /owa/"],
    "Location: /owa/jan%2540example.org/": ["Location: /owa/"],
    "Location: /owa/%3Fuser=jan": ["Location: /owa/"],
    "Location: /owa/%253fuser=jan": ["Location: /owa/"],
    "Location: /owa;jsessionid=geheim": ["Location: /owa"],
    "Location: https://192.0.2.9/owa/": ["Location: https://<ip>/owa/"],
    "Location: https://[2001:db8::9]/owa/": ["Location: https://[<ip>]/owa/"],
    "Location: mailto:jan@example.org": [],
    "WWW-Authenticate: Negotiate": ["WWW-Authenticate: Negotiate"],
    "www-authenticate: ntlm": ["www-authenticate: NTLM"],
    'WWW-Authenticate: Basic realm="mail.example.org"': ['WWW-Authenticate: Basic realm="mail.example.org"'],
    "WWW-Authenticate: Basic realm=mail, charset=UTF-8": ['WWW-Authenticate: Basic realm="mail"'],
    'WWW-Authenticate: Basic realm=""': ['WWW-Authenticate: Basic realm=""'],
    'WWW-Authenticate: Basic charset="UTF-8", realm="jan@example.org at 192.0.2.7"': [
        'WWW-Authenticate: Basic realm="<mail> at <ip>"'
    ],
    'WWW-Authenticate: Digest realm="a \\"b, NTLM", nonce="geheim", opaque="geheim"': [
        'WWW-Authenticate: Digest realm="a \\"b, NTLM"'
    ],
    'WWW-Authenticate: Negotiate, NTLM, Basic realm="x"': [
        "WWW-Authenticate: Negotiate",
        "WWW-Authenticate: NTLM",
        'WWW-Authenticate: Basic realm="x"',
    ],
    f"WWW-Authenticate: {BEARER}": ['WWW-Authenticate: Bearer client_id="00000002-0000-0ff1-ce00-000000000000"'],
    'WWW-Authenticate: Bearer client_id="jan"': ["WWW-Authenticate: Bearer"],
    "WWW-Authenticate: Negotiate oYG2MIGzoAMKAQGhDAYK=": ["WWW-Authenticate: Negotiate"],
    "WWW-Authenticate: NTLM TlRMTVNTUAADAAAAamFuamFu": ["WWW-Authenticate: NTLM"],
    'WWW-Authenticate: NTLM, Jansen realm="x"': ["WWW-Authenticate: NTLM"],
    'WWW-Authenticate: Basic realm="x", realm="y"': ['WWW-Authenticate: Basic realm="x"'],
    "WWW-Authenticate: Jansen": [],
    "WWW-Authenticate: realm=x": [],
}


def head(*lines: str, status: str = "HTTP/1.1 200 OK", end: str = "\r\n") -> str:
    return end.join((status, *lines, "", ""))


@pytest.mark.parametrize("line", LINES)
def test_header(line: str) -> None:
    assert told(HttpServer(), head(line)) == ([OK, *(("http.header", value) for value in LINES[line])], False)


def header(value: str) -> tuple[str, str]:
    return "http.header", value


RESPONSES: dict[str, tuple[str, Facts]] = {
    "Exchange refuses": (
        head("Server: Microsoft-IIS/10.0", "X-FEServer: EX01", "X-FEServer: EX02", status="HTTP/1.1 401 Unauthorized"),
        [
            ("http.status", "401"),
            ("http.server", "Microsoft-IIS/10.0"),
            header("X-FEServer: EX01"),
            header("X-FEServer: EX02"),
        ],
    ),
    "bare line feeds, no reason": (
        head("server: x", status="HTTP/1.0 302", end="\n"),
        [("http.status", "302"), ("http.server", "x")],
    ),
    "NTLM": (
        head(f"WWW-Authenticate: NTLM {ntlm_token()}"),
        [OK, header("WWW-Authenticate: NTLM"), ("ntlm.version", "10.0.17763")],
    ),
    "NTLM with a realm behind it": (
        head(f'WWW-Authenticate: NTLM {ntlm_token()}, realm="x"'),
        [OK, header('WWW-Authenticate: NTLM realm="x"'), ("ntlm.version", "10.0.17763")],
    ),
    "NTLM under Negotiate": (
        head(f"WWW-Authenticate: Negotiate {ntlm_token(6, 3, 9600)}"),
        [OK, header("WWW-Authenticate: Negotiate"), ("ntlm.version", "6.3.9600")],
    ),
    "a folded line": (
        head("WWW-Authenticate: Basic", '\trealm="x"', "X-Other: 1", " X-FEServer: EX09", "X-FEServer: EX01"),
        [OK, header('WWW-Authenticate: Basic realm="x"'), header("X-FEServer: EX01")],
    ),
    "interim heads": (
        head("Server: no", status="HTTP/1.1 100 Continue") + head(status="HTTP/1.1 103 Early") + head("Server: x"),
        [OK, ("http.server", "x")],
    ),
    "another protocol follows": (
        head("Upgrade: x", status="HTTP/1.1 101 Switching Protocols") + head("Server: no"),
        [("http.status", "101")],
    ),
    "the body is not read": (
        head("Server: x") + "X-FEServer: EX01\r\n\r\nHTTP/1.1 500\r\n",
        [OK, ("http.server", "x")],
    ),
    "cut between lines": (head("Server: x")[:-2], [OK, ("http.server", "x")]),
    "cut within a line": (head("Server: x", "X-OWA-Version: 15.2.1748.36")[:-6], [OK, ("http.server", "x")]),
    "cut within a folded line": (head("Server: x", " y")[:-5], [OK]),
    "a server without a name": (head("Server: "), [OK]),
    "not yet a status": ("HTTP/1.1 20", []),
}


@pytest.mark.parametrize("name", RESPONSES)
def test_response(name: str) -> None:
    stream, facts = RESPONSES[name]
    assert told(HttpServer(), stream) == (facts, False)


@pytest.mark.parametrize(
    ("stream", "facts"),
    [
        ("HTTP/2 200\r\n", []),
        ("HTTP/1.1 999 No\r\n", []),
        ("HTTP/1.1 2000\r\n", []),
        ("RTSP/1.0 200 OK\r\n", []),
        ("GET / HTTP/1.1\r\n", []),
        ("\x16\x03\x03\r\n", []),
        (head("no colon"), [OK]),
        (head("Server: \x00"), [OK]),
        (head("X-Long: " + "x" * 8000), [OK]),
        (head("Server: x", *(" " + "y" * 4000,) * 3), [OK]),
        (head("WWW-Authenticate: NTLM TlRMTVNTUAAC"), [OK]),
    ],
)
def test_malformed(stream: str, facts: Facts) -> None:
    assert told(HttpServer(), stream) == (facts, True)


def test_done_with_the_head() -> None:
    dissector = HttpServer()
    dissector.feed(head("Server: x").encode())
    assert dissector.done
    assert dissector.held == 0


def test_every_listed_header_can_be_told() -> None:
    """Each reader lets something through: the list holds no header that is listed in vain."""
    values = ("15.2.1748.36", "EX01", "True", "Exchange/15.02.2562.045", "FrontEnd;401", "ClientId=x", "302")
    for name, read in HEADERS:
        assert any(read(value) for value in values), name
