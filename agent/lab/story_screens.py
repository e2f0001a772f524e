"""The words of the demo's story, for somebody who has never heard of any of it. At most 100 columns."""

from __future__ import annotations

import re
import textwrap
from typing import TYPE_CHECKING, Any

from agent.lab.screens import build, exposure, product
from agent.lab.story_cast import BUILD, CUSTOMERS
from agent.screen import table

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from agent.lab.story_cast import Customer

_WIDTH = 98
_MOST = 5  # names of holes
_SAMPLE = re.compile(r"^(\w+) (\S+)$", re.MULTILINE)

SEEN = """\
Three more simulated servers, of three made-up customers of the provider. These really listen, on
this machine's loopback, at port {port}; their mail was used ten minutes ago, as a second capture
has it:
"""
NOT_SHOWN = """\
That they run Exchange is certain. Which build, and so whether the updates that close known holes
are there, they say inside TLS, to who asks. So somebody would have to ask; and before that, ask
leave.
"""
SAFE = "First of all, nobody shall be knocked at while this is prepared:\n"
TOLD = """\
The provider has written texts for its customers and published them, with who knocks and why (that
they are on the web is simulated). Its books say who has which address, how to reach him, and that
all three were told 40 days ago:
"""
AGREED = "To be told is not to agree. Optician and bookshop have signed; the library has not answered:\n"
SECOND_THOUGHTS = "The bookshop has second thoughts, and needs nobody for that: the code is from its letter:\n"
KNOCK = "Everything is in place, but for the kill switch; so nothing is sent, until it is off:\n"
SENT = "That was one request, without a login, to a page that mail programs ask for. As it came:\n"
OTHERS = "The same is tried at the library and the bookshop: nothing is sent. Why, in short:\n"
FOUND = """\
What the answer showed is bad enough to tell him of, and sure enough. So the daemon has opened a
case by itself, and has written to him: nobody gave an order. The mail goes to the provider's own
relay; here that is simulated by this program, on loopback, and sends nothing on.
"""
MAIL = "The mail, as it came to the simulated relay:\n\n"
_ONLY_TO = """\
The relay was told RCPT TO:<{to}>, and of nobody else: the contact for security
that is on record of this customer. No order and no key of the configuration names a recipient. The
mail has also {others}: the same words, and what a program needs.

There is one case, and so one mail. Of the library nothing is known to be open: it was only looked
at, and the handshakes do not show its build. If they did, it would be told without having signed,
for only knocking takes a record. The bookshop has objected: its handshakes are not even looked at
any more, and nobody is told anything.
"""
LINK = """\
The optician says by the first link in the mail that he has had it repaired. It leads to the
provider's web server, which would pass on to the daemon what comes to
{base}. Here there is none, so the daemon's own socket is asked. To look
changes nothing, for mail scanners look too (the page's English part):
"""
BY_LINK = "He needs no account: whoever has the mail can answer. What has become of the case:\n"
CLAIMED = """\
His word alone does not close it. A later look does, where it shows the fix: at the earliest an hour
after the last one, and by leave of the same gate. Until then, for a week, he is not told again.
"""
PROOF = """\
Before the request was sent, its entry was on disk, in a log that is only ever added to. The
optician can have his part of it, and a program of one file that checks it by itself:
"""
TAMPERED = "Somebody changes that file, to say that it was the library who was asked:\n\n"
_SHOWS = """\
This shows that these entries are in the log that this key signed, unchanged, each in its place. It
does not show that there are no others, nor that what they say is true. Who has kept an earlier
checkpoint of the log (one a minute goes outside; here, to a file) can hold the two together."""


def heading(title: str) -> str:
    """The beginning of a part."""
    return f"--- {title} {'-' * (_WIDTH - len(title) - 5)}\n"


def customers(found: Mapping[str, dict[str, Any]]) -> str:
    """What is believed of each customer's server."""
    rows = [_row(one, found.get(one.address)) for one in CUSTOMERS]
    return table(("customer", "who", "address", "seen as", "build", "known holes"), rows)


def _row(one: Customer, said: dict[str, Any] | None) -> tuple[str, ...]:
    if said is None:
        return one.ref, one.who, one.address, "not seen", "-", "-"
    known = build(said)
    return one.ref, one.who, one.address, product(said), known, "not known" if known == "-" else exposure(said)


def answered(said: str, seconds: float, everywhere: float) -> str:
    """What an objector is told, and how fast his no is, in seconds."""
    return (
        f"{textwrap.fill(said, _WIDTH)}\n\n"
        f"The answer was there after {seconds * 1000:.0f} ms. From coming in at the agent to being in force in every "
        f"process,\nthe one that looks included, it took {everywhere * 1000:.0f} ms. How the three stand now:\n"
    )


def request(heads: Sequence[bytes]) -> str:
    """What a server was asked."""
    return (
        "\n".join(f"  {line}" for head in heads for line in head.decode(errors="replace").split("\r\n") if line) + "\n"
    )


def sharpened(before: dict[str, Any], after: dict[str, Any]) -> str:
    """What was known of a server before it was asked, and what is known now."""
    rows = [
        ("before", product(before), build(before), "not known" if build(before) == "-" else exposure(before)),
        ("after", product(after), build(after), exposure(after)),
    ]
    names: dict[str, list[str]] = {}
    for each in after["exposure"]:
        if each["cve"] and not each["name"].startswith("Exchange "):
            names.setdefault(each["name"], []).append(each["cve"])
    holes = table(("among them", "CVE"), [(name, ", ".join(cves)) for name, cves in list(names.items())[:_MOST]])
    return "\n".join(
        [
            table(("", "seen as", "build", "known holes"), rows),
            "",
            f"The simulated server was made with build {BUILD}. No hole was tried: that a build has these",
            "is known from Microsoft's lists, and whether something else closes them cannot be seen from here.",
            "",
            holes,
            "",
        ]
    )


def counted(visits: Mapping[Customer, int]) -> str:
    """What the servers themselves saw."""
    said = ", ".join(f"{one.who} {count}" for one, count in visits.items())
    return f"Connections that the servers themselves have counted in all: {said}.\n"


def only_to(to: str, others: Sequence[str]) -> str:
    """That a mail went to that contact of the customer's alone, and what else is in it."""
    return _ONLY_TO.format(to=to, others=" and ".join(others))


def verified(said: str) -> str:
    """What the verifier says, in lines that fit: each entry, how many there are, and what that shows."""
    lines = said.splitlines()
    end = next(place for place, line in enumerate(lines) if not line)
    entries = [line if len(line) <= _WIDTH else f"{line[: _WIDTH - 4]} ..." for line in lines[:end]]
    return "\n".join([*entries, "", lines[end + 1], "", _SHOWS, ""])


def values(exposition: str) -> dict[str, float]:
    """The samples without labels of a metrics page."""
    return {name: float(value) for name, value in _SAMPLE.findall(exposition)}
