"""What customers and their networks may ask of us: a page on which to say no, and probing.txt. Each on its own socket.

``Answers`` stands behind the operator's proxy (exporters/frame.py). It passes a no on to the agent: that only ever
takes permission away, and a no that is taken gets one and the same answer, whosever the prefix or token is, or
nobody's. What else customers may answer takes the token of a message of ours (exporters/answer_links.py).
"""

from __future__ import annotations

import threading
from html import escape
from http import HTTPStatus
from typing import TYPE_CHECKING, Any

from agent.bucket import TOKENLESS, Bucket
from agent.dropped import canonical
from agent.notice import ANSWERS
from exporters.answer_links import Links
from exporters.frame import Said, page, program, sent, text
from exporters.web import TEXT, Answer, not_allowed

if TYPE_CHECKING:
    from collections.abc import Callable

    from agent.asked import Noted
    from agent.notice import Answered
    from exporters.frame import Names
    from exporters.web import Posted

MAX_PREFIX, MAX_TOKEN = 49, 128  # characters (agent.messages.ObjectionTold)
OBJECTIONS = "/objections"
TITLE = "Bezwaar / Objection"
PROBING = "/.well-known/probing.txt"  # RFC 9511, 2

_YES = frozenset({"on", "true", "1", "yes"})

_FORM_NL = """<h1>Bezwaar tegen controle van uw mailserver</h1>
<p>{operator} kijkt of mailservers van klanten veilig zijn, om hen te kunnen waarschuwen. U kunt daar altijd bezwaar
tegen maken. U hoeft niet in te loggen en geen reden te geven. Het geldt direct.</p>
<form method="post" action="objections">
<p><label>Uw IP-adres of prefix, bijvoorbeeld 192.0.2.7 of 2001:db8::/48<br>
<input name="prefix" maxlength="49"></label></p>
<p><label>De code uit onze brief of mail, als u die heeft<br>
<input name="token" maxlength="128" autocomplete="off"></label></p>
<p><label><input type="checkbox" name="headers" value="on"> Kijk ook niet naar de adresregels (headers) van mijn
verkeer</label></p>
<p><button>Ik maak bezwaar</button></p>
</form>
<p>Met alleen de code geldt het bezwaar voor alles wat bij ons op uw naam staat. Liever anders? {contact}</p>"""
_FORM_EN = """<h1>Objection to checks of your mail server</h1>
<p>{operator} looks whether customers' mail servers are safe, to be able to warn them. You can object to that at any
time. You need not log in, and need not say why. It holds at once.</p>
<form method="post" action="objections">
<p><label>Your IP address or prefix, like 192.0.2.7 or 2001:db8::/48<br>
<input name="prefix" maxlength="49"></label></p>
<p><label>The code from our letter or mail, if you have it<br>
<input name="token" maxlength="128" autocomplete="off"></label></p>
<p><label><input type="checkbox" name="headers" value="on"> Do not look at the headers of my traffic either</label></p>
<p><button>I object</button></p>
</form>
<p>With the code alone it is about everything that is yours with us. Rather another way? {contact}</p>"""


_SAID = {
    "noted": Said(
        HTTPStatus.OK,
        "Uw bezwaar is genoteerd onder nummer {receipt}. Staat het adres op uw naam, dan geldt het nu al. Weten we niet"
        " zeker van wie het is, dan kijkt een mens ernaar. {contact}",
        "Your objection is noted under number {receipt}. If the address is yours in our books, it holds already. If we"
        " are not sure whose it is, a person looks at it. {contact}",
    ),
    "syntax": Said(
        HTTPStatus.BAD_REQUEST,
        "Dit is niet genoteerd: {why}. Vul een adres of prefix in, of de code uit onze brief of mail. {contact}",
        "This was not noted: {why}. Give an address or prefix, or the code from our letter or mail. {contact}",
    ),
    "rate": Said(
        HTTPStatus.TOO_MANY_REQUESTS,
        "Dit is niet genoteerd: er komen nu te veel bezwaren zonder code binnen. Probeer het over enkele minuten"
        " opnieuw, of gebruik de code uit onze brief of mail. {contact}",
        "This was not noted: too many objections without a code are coming in now. Try again in some minutes, or use"
        " the code from our letter or mail. {contact}",
    ),
    "unavailable": Said(
        HTTPStatus.SERVICE_UNAVAILABLE,
        "We weten niet of dit genoteerd is: het register is nu niet bereikbaar. Probeer het opnieuw. {contact}",
        "We do not know whether this was noted: the register cannot be reached now. Try again. {contact}",
    ),
}  # fmt: skip
_NO_ADDRESS = (
    "het adres is niet goed geschreven; schrijf het als 192.0.2.0/24 of 2001:db8::/32",
    "the address is not one; write it like 192.0.2.0/24 or 2001:db8::/32",
)


class UnclearError(Exception):
    """What was sent is no objection that can be understood: why, in Dutch and in English."""

    def __init__(self, nl: str, en: str) -> None:
        super().__init__(en)
        self.nl, self.en = nl, en


class Answers:
    """The page, and the objections that come from it or from a program.

    ``note`` passes one on (prefix, token, whether not even headers may be looked at) and says what became of it; raises
    OSError where nobody does. ``names`` are as they are now; ``clock`` only rises. ``answer`` passes on what is
    answered to a message (exporters.answer_links.Links); without it there are no such pages.
    """

    def __init__(
        self,
        note: Callable[[str | None, str | None, bool], Noted],
        names: Callable[[], Names],
        clock: Callable[[], float],
        answer: Callable[[str, str], Answered] | None = None,
    ) -> None:
        self._note = note
        self._links = Links(answer, names) if answer else None
        self._names = names
        self._bucket = Bucket(*TOKENLESS, clock)
        self._one = threading.Lock()  # requests have threads of their own

    def answer(self, path: str, accept: str, who: Callable[[], str] = str) -> Answer:
        """The response to a GET of ``path``: what a query says is not looked at."""
        if self._links and path.startswith(ANSWERS):
            return self._links.shown(path)
        match path.partition("?")[0]:
            case "/":
                return page(HTTPStatus.OK, TITLE, *self._form())
            case "/objections":
                return not_allowed("POST", "an objection is made by POST; / has a form for it\n")
        return Answer(HTTPStatus.NOT_FOUND, TEXT, b"no such page\n")

    def posted(self, posted: Posted) -> Answer:
        """The response to a POST, in the form in which it came: JSON, or a page."""
        if self._links and posted.path.startswith(ANSWERS):
            return self._links.posted(posted)
        if posted.path.partition("?")[0] != OBJECTIONS:
            return not_allowed("GET, HEAD", "nothing here is asked for by POST but /objections\n")
        told = sent(posted)
        if isinstance(told, Answer):
            return told
        try:
            prefix, token, headers = _objection(told.fields)
        except UnclearError as error:
            return self._said("syntax", why=error, as_json=told.as_json)
        status, receipt = self._noted(prefix, token, headers=headers)
        return self._said(status, receipt, as_json=told.as_json)

    def _noted(self, prefix: str | None, token: str | None, *, headers: bool) -> tuple[str, str]:
        """What became of it, and the receipt."""
        if token is None and not self._takes():
            return "rate", ""
        try:
            noted = self._note(prefix, token, headers)
        except OSError:
            return "unavailable", ""
        return noted.status, noted.receipt

    def _takes(self) -> bool:
        with self._one:
            return self._bucket.takes()

    def _said(self, status: str, receipt: str = "", *, as_json: bool, why: UnclearError | None = None) -> Answer:
        said = _SAID[status]
        why = why or UnclearError(*_NO_ADDRESS)
        ways = self._names().ways()
        nl = said.nl.format(receipt=receipt, why=why.nl, contact=ways[0])
        en = said.en.format(receipt=receipt, why=why.en, contact=ways[1])
        if not as_json:
            return page(said.status, TITLE, f"<p>{escape(nl)}</p>", f"<p>{escape(en)}</p>")
        return program(said.status, {"status": status, "receipt": receipt or None, "nl": nl, "en": en})

    def _form(self) -> tuple[str, str]:
        names = self._names()
        nl, en = map(escape, names.ways())
        return (
            _FORM_NL.format(operator=escape(names.operator or "Uw provider"), contact=nl),
            _FORM_EN.format(operator=escape(names.operator or "Your provider"), contact=en),
        )


class Probing:
    """probing.txt (RFC 9511) and nothing else. ``text`` is as it is now, "" for none."""

    def __init__(self, text: Callable[[], str]) -> None:
        self._text = text

    def answer(self, path: str, accept: str, who: Callable[[], str] = str) -> Answer:
        if path.partition("?")[0] != PROBING:
            return Answer(HTTPStatus.NOT_FOUND, TEXT, b"no such page\n")
        text = self._text()
        if not text:
            return Answer(HTTPStatus.SERVICE_UNAVAILABLE, TEXT, b"nobody is knocked at from here now\n")
        return Answer(HTTPStatus.OK, TEXT, text.encode())

    def posted(self, posted: Posted) -> Answer:
        return not_allowed("GET, HEAD", "nothing here is asked for by POST\n")


def _objection(fields: dict[str, Any]) -> tuple[str | None, str | None, bool]:
    """Prefix, token, and whether not even headers may be looked at. Raises UnclearError."""
    prefix = text(fields.get("prefix")) or text(fields.get("address"))
    token = text(fields.get("token"))
    headers = fields.get("headers", False)
    if prefix is None and token is None:
        raise UnclearError("er staat geen adres in, en ook geen code", "there is neither an address nor a code in it")
    if token is not None and len(token) > MAX_TOKEN:
        raise UnclearError("de code is langer dan die van ons", "the code is longer than any of ours")
    if prefix is not None:
        prefix = _prefix(prefix)
    return prefix, token, headers is True or str(headers).strip().lower() in _YES


def _prefix(written: str) -> str:
    try:
        return canonical(written[: MAX_PREFIX + 1])
    except ValueError as error:
        # What was written is not shown again: neither in a page nor anywhere else.
        raise UnclearError(_NO_ADDRESS[0], f"the address {error}") from None
