"""The pages that the links of our messages lead to: what may be answered, with a button for each, and what it comes to.

To look changes nothing, neither by GET nor by HEAD: mail scanners follow links. Only a POST acts. There is no cookie
and no login, so no other site can make a reader's browser do what it could not do itself: whoever sends the token of a
message has that message, and whoever has not, sends nothing that counts. So the form needs no secret beside it.

The pages say nothing of whose a token is. A token that is nobody's, one that has had its day and one that is badly
written get one and the same answer. Whether it is anybody's is the agent's to say, who alone can tell.
"""

from __future__ import annotations

from html import escape
from http import HTTPStatus
from typing import TYPE_CHECKING

from agent.notice import ACTIONS, ANSWERS
from exporters.frame import Said, page, program, sent, text, unescaped
from exporters.notices import words
from exporters.web import Answer

if TYPE_CHECKING:
    from collections.abc import Callable

    from agent.notice import Answered
    from exporters.frame import Names, Sent
    from exporters.web import Posted

MAX_TOKEN = 128  # characters (agent.notice.AnswerTold)
TITLE = "Antwoord / Answer"

# What each button does, and then what it has done.
_WHAT: dict[str, words.Words] = {
    "agree": ("U gaat akkoord met de tekst hierboven.", "You agree to the text above."),
    "fixed": ("We kijken daarna of dat zo is.", "We then look whether that is so."),
    "recheck": ("We kijken nog een keer.", "We look once more."),
    "wrong_contact": ("We proberen iemand anders te bereiken.", "We try to reach somebody else."),
    "not_ours": ("Een mens zoekt uit hoe het zit.", "A person looks into it."),
    "wont_fix": ("We herinneren u er niet meer aan dan eens per 90 dagen.", "We remind you every 90 days at most."),
    "stop": (
        "Dit is een bezwaar. Het geldt direct, en voor alles wat bij ons op uw naam staat.",
        "This is an objection. It holds at once, and for everything that is yours in our books.",
    ),
}
_DONE: dict[str, words.Words] = {
    "agree": (
        "Uw akkoord is genoteerd onder nummer {receipt}. U krijgt een ontvangstbewijs, met daarin hoe u het stopt.",
        "Your agreement is noted under number {receipt}. You get a receipt, which says how to stop it.",
    ),
    "stop": (
        "Uw bezwaar is genoteerd onder nummer {receipt}, en geldt nu al.",
        "Your objection is noted under number {receipt}, and holds already.",
    ),
}
_NOTED: words.Words = ("Dit is genoteerd. Dank u wel.", "This is noted. Thank you.")
_SAID = {
    "unknown": Said(
        HTTPStatus.NOT_FOUND,
        "Deze link is niet bekend, of niet meer geldig. {contact}",
        "This link is not known, or not valid any more. {contact}",
    ),
    "rate": Said(
        HTTPStatus.TOO_MANY_REQUESTS,
        "Dit is niet genoteerd: er komt nu te veel binnen. Probeer het over enkele minuten opnieuw. {contact}",
        "This was not noted: too much is coming in now. Try again in some minutes. {contact}",
    ),
    "unavailable": Said(
        HTTPStatus.SERVICE_UNAVAILABLE,
        "We weten niet of dit genoteerd is: het register is nu niet bereikbaar. Probeer het opnieuw. {contact}",
        "We do not know whether this was noted: the register cannot be reached now. Try again. {contact}",
    ),
    "syntax": Said(
        HTTPStatus.BAD_REQUEST,
        "Dit is niet genoteerd: kies een van de knoppen op de pagina. {contact}",
        "This was not noted: choose one of the buttons on the page. {contact}",
    ),
}
_CONFLICT: words.Words = (
    "Dit is niet genoteerd: het kan nu niet meer. Dit kan wel:",
    "This was not noted: it cannot be said any more. This can:",
)
_ASK: words.Words = (
    "Wat wilt u ons laten weten? Er verandert pas iets als u op een knop drukt.",
    "What do you want to let us know? Nothing changes before you press a button.",
)
_TEXT: words.Words = ("Waarmee u akkoord zou gaan:", "What you would agree to:")


class Links:
    """``answer`` passes on a token and an action, or "show", and says what it comes to; raises OSError: nobody says."""

    def __init__(self, answer: Callable[[str, str], Answered], names: Callable[[], Names]) -> None:
        self._answer = answer
        self._names = names

    def shown(self, path: str) -> Answer:
        """The response to a GET of a path under ANSWERS: what a query says is not looked at."""
        token = _token(path)
        if token is None:
            return self._said("unknown")
        try:
            found = self._answer(token, "show")
        except OSError:
            return self._said("unavailable")
        if found.status != "shown":
            return self._said(found.status)
        return page(HTTPStatus.OK, TITLE, *self._forms(found, _ASK))

    def posted(self, posted: Posted) -> Answer:
        """The response to a POST of one, with the field ``action``, in the form in which it came: JSON, or a page."""
        told = sent(posted)
        if isinstance(told, Answer):
            return told
        action, token = text(told.fields.get("action")), _token(posted.path)
        if action not in ACTIONS:
            return self._said("syntax", told)
        if token is None:
            return self._said("unknown", told)
        try:
            found = self._answer(token, action)
        except OSError:
            return self._said("unavailable", told)
        if found.status == "done":
            return self._done(found, told)
        return self._conflict(found, told) if found.status == "shown" else self._said(found.status, told)

    def _done(self, found: Answered, told: Sent) -> Answer:
        nl, en = (line.format(receipt=found.receipt) for line in _DONE.get(found.done, _NOTED))
        if told.as_json:
            receipt = found.receipt or None
            return program(
                HTTPStatus.OK, {"status": "done", "done": found.done, "receipt": receipt, "nl": nl, "en": en}
            )
        return page(HTTPStatus.OK, TITLE, f"<p>{escape(nl)}</p>", f"<p>{escape(en)}</p>")

    def _conflict(self, found: Answered, told: Sent) -> Answer:
        """That answer has no place any more; a no always has one."""
        if told.as_json:
            nl, en = _CONFLICT
            return program(
                HTTPStatus.CONFLICT, {"status": "conflict", "offered": list(found.offered), "nl": nl, "en": en}
            )
        return page(HTTPStatus.CONFLICT, TITLE, *self._forms(found, _CONFLICT))

    def _said(self, status: str, told: Sent | None = None) -> Answer:
        said, ways = _SAID.get(status, _SAID["unavailable"]), self._names().ways()
        nl, en = said.nl.format(contact=ways[0]), said.en.format(contact=ways[1])
        if told is not None and told.as_json:
            return program(said.status, {"status": status, "nl": nl, "en": en})
        return page(said.status, TITLE, f"<p>{escape(nl)}</p>", f"<p>{escape(en)}</p>")

    def _forms(self, found: Answered, ask: words.Words) -> tuple[str, str]:
        """In Dutch and in English."""
        return self._form(found, "nl", ask), self._form(found, "en", ask)

    def _form(self, found: Answered, lang: str, ask: words.Words) -> str:
        """The buttons. Where the form leads to is not written: to where the page is, fragment or not."""
        way = self._names().ways()[words.LANGUAGES.index(lang)]
        lines = [f"<p>{escape(words.of(ask, lang))}</p>", *_agreement(found, lang), '<form method="post">']
        for action in found.offered:
            if action in _WHAT:
                label, what = words.of(words.ANSWERS[action], lang), words.of(_WHAT[action], lang)
                mark = f' id="{action}"' if lang == words.LANGUAGES[0] else ""
                button = f'<button name="action" value="{action}">{escape(label)}</button>'
                lines.append(f"<p{mark}>{button} {escape(what)}</p>")
        return "\n".join([*lines, "</form>", f"<p>{escape(way)}</p>"])


def _agreement(found: Answered, lang: str) -> list[str]:
    """The text that is agreed to, word for word, in the language in which it was sent, and once."""
    if not found.text or (found.lang or words.LANGUAGES[0]) != lang:
        return [f"<p>{escape(words.of(_ELSEWHERE, lang))}</p>"] if found.text else []
    return [f"<p>{escape(words.of(_TEXT, lang))}</p>", f'<pre lang="{lang}">{escape(found.text)}</pre>']


_ELSEWHERE: words.Words = (
    "De tekst waarmee u akkoord zou gaan, staat hieronder in het Engels.",
    "The text that you would agree to is above, in Dutch.",
)


def _token(path: str) -> str | None:
    """The token of a path, whatever it is written in; None where it cannot be one of ours."""
    written = path.partition("?")[0].removeprefix(ANSWERS)
    token = unescaped(written.encode("utf-8", "replace"))
    return token if 0 < len(token) <= MAX_TOKEN else None
