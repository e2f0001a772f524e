"""Made-up facts: one server for each kind of finding there is. What a preview shows, and what each rule is tried on."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from agent.notice import ACTIONS, ANSWERS, MESSAGES, Facts, Hole, Install

if TYPE_CHECKING:
    from collections.abc import Mapping

_PROXYSHELL = Hole(
    name="ProxyShell", cves=["CVE-2021-34473", "CVE-2021-34523", "CVE-2021-31207"], status="vulnerable", kev=True,
    cvss=9.8,
)  # fmt: skip
_SINGLE = Hole(name="", cves=["CVE-2024-26198"], status="vulnerable", kev=False, cvss=8.8)
_POSSIBLE = Hole(name="Hybrid trust", cves=["CVE-2025-53786"], status="possible", kev=False, cvss=8.0)
_SETTING = Hole(
    name="NTLM relay", cves=["CVE-2024-21410"], status="fixed_if_configured", kev=True, cvss=9.8,
    setting="switch on Extended Protection",
)  # fmt: skip
_UPDATE = Install(
    kind="update", name="Exchange Server 2019 CU15 Oct25SU", build="15.2.1748.39", kb="KB5066366", released="2025-10-14"
)
_UPGRADE = Install(
    kind="upgrade", name="Exchange Server SE RTM", build="15.2.2562.17", kb="KB5047155", released="2025-07-01"
)
_ASKED = {
    "origin": "active", "record": "2f0c5b1e", "receipt": "8d41a7", "entry": 4711, "requests": 1, "ports": [443],
    "signs": ["http.header", "html.title"], "product": "Exchange Server 2019 CU15", "build": "15.2.1748.10",
    "confidence": "confirmed", "severity": "high", "holes": [_SINGLE], "install": _UPDATE,
}  # fmt: skip
_SEEN = {
    "origin": "passive", "ports": [25, 443], "signs": ["smtp.greeting", "tls.certificate"], "confidence": "probable",
    "product": "Exchange Server 2016", "severity": "high", "ended": "2025-10-14", "install": _UPGRADE,
}  # fmt: skip

# Kind of finding -> what its facts say beside those that all have.
KINDS: Mapping[str, Mapping[str, Any]] = {
    "chain": _ASKED | {
        "severity": "critical", "holes": [_PROXYSHELL, _SINGLE], "more": 12, "product": "Exchange Server 2016 CU20",
        "build": "15.1.2242.4", "ended": "2025-10-14", "install": _UPGRADE, "exploited": ["ProxyShell"],
    },
    "single": _ASKED,
    "ended": _SEEN | {
        "origin": "active", "entry": 4712, "requests": 3, "record": "2f0c5b1e", "confidence": "confirmed",
    },
    "possible": _ASKED | {"holes": [_POSSIBLE]},
    "passive": _SEEN | {"holes": [_SINGLE], "build": "15.1.2507.6", "product": "Exchange Server 2016 CU23"},
    "passive-ended": _SEEN | {"ports": [25], "signs": ["smtp.greeting"]},
    "setting": _ASKED | {"holes": [_SETTING], "install": Install(kind="unknown")},
    "exploited": _ASKED | {"severity": "critical", "holes": [_PROXYSHELL], "exploited": ["ProxyShell"]},
    "upgrade": _ASKED | {"ended": "2025-10-14", "install": _UPGRADE},
    "unknown-update": _SEEN | {"ended": "", "holes": [_POSSIBLE], "install": Install(kind="unknown"), "ports": []},
}  # fmt: skip

_TEXT = {
    "nl": "Example Net vraagt mijn server 192.0.2.10 ten hoogste eenmaal per dag naar zijn versie, via poort 443.\n"
    "Dit geldt tot 24 november 2027.",
    "en": "Example Net asks my server 192.0.2.10 for its version at most once a day, on port 443.\n"
    "This holds until 24 November 2027.",
}
# Which answers a message offers: of the case, of what was asked, of what was agreed.
_OFFERED: Mapping[str, tuple[str, ...]] = {
    "request": ("agree", "stop"),
    "receipt": ("stop",),
    "letter": (),
    "phone": (),
}
_ASKING = ("request", "receipt")  # what is about no finding
_CASE = tuple(action for action in ACTIONS if action != "agree")


def example(message: str, lang: str, kind: str = "chain", *, links: bool = True, offer: bool = False) -> Facts:
    """Facts of a server that does not exist, for a message of agent.notice.MESSAGES and a kind of KINDS."""
    place = list(KINDS).index(kind)
    written: dict[str, Any] = {
        "message": message, "lang": lang, "operator": "Example Net", "contact": "security@example.net",
        "customer": f"C-{1001 + place}", "case": f"K-{27 + place}", "address": f"192.0.2.{10 + place}",
        "seen": 1795507200.0, "zone": "Europe/Amsterdam", "offer": offer,
    }  # fmt: skip
    if message in _ASKING:
        written |= {"case": "", "address": "", "text": _TEXT[lang], "record": "2f0c5b1e", "receipt": "8d41a7"}
    else:
        written |= KINDS[kind]
    if message == "closing":
        written |= {"why": "fixed", "deleted": "2026-12-08", "build": _UPDATE.build, "holes": [], "ended": ""}
    if links:
        page = f"https://example.net/checks{ANSWERS}v3j5dgugbm90aglu"
        written["links"] = {action: f"{page}#{action}" for action in _OFFERED.get(message, _CASE)}
    return Facts(**written)


def examples() -> list[Facts]:
    """Every message about every kind of finding, in both languages; with links and an offer of help, and without."""
    return [
        example(message, lang, kind, links=more, offer=more)
        for message in MESSAGES
        for kind in (KINDS if message not in _ASKING else ("chain",))
        for lang in ("nl", "en")
        for more in (True, False)
    ]
