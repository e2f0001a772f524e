"""Which page of the console a path is, and who may have it."""

from __future__ import annotations

import re
from http import HTTPStatus
from typing import TYPE_CHECKING, NamedTuple

from exporters.console import render
from exporters.console.content import Cell, Page, Section
from exporters.frame import form_fields
from exporters.web import Answer

if TYPE_CHECKING:
    from collections.abc import Callable

    from agent.messages import Snapshot
    from agent.notice import Viewed

_HEAD = (
    ("Cache-Control", "no-store"),
    (
        "Content-Security-Policy",
        "default-src 'none'; style-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'",
    ),
    ("Referrer-Policy", "no-referrer"),
    ("Cross-Origin-Opener-Policy", "same-origin"),
    ("Cross-Origin-Resource-Policy", "same-origin"),
)
_HTML, _CSS = "text/html; charset=utf-8", "text/css; charset=utf-8"
_SERVER = re.compile(r"/servers/(s-[a-z2-7]{16})")
_CVE = re.compile(r"CVE-\d{4}-\d{4,7}", re.ASCII)
_PAGE = re.compile(r"[1-9]\d{0,5}", re.ASCII)
_STATUS = {
    "unknown": HTTPStatus.NOT_FOUND,
    "forbidden": HTTPStatus.FORBIDDEN,
    "rate": HTTPStatus.TOO_MANY_REQUESTS,
    "unavailable": HTTPStatus.SERVICE_UNAVAILABLE,
}
_TITLES = {
    HTTPStatus.NOT_FOUND: "No such page",
    HTTPStatus.FORBIDDEN: "Not for everybody",
    HTTPStatus.TOO_MANY_REQUESTS: "Slower, please",
    HTTPStatus.SERVICE_UNAVAILABLE: "Not now",
}


class Access(NamedTuple):
    """``operator``: the provider's name; ``web_config``: whether there is such a file; ``viewers``: who is named."""

    operator: str = ""
    web_config: bool = False
    viewers: tuple[str, ...] = ()


class Console:
    """``snapshots``: an older one and the latest, None where there is none; ``access``: as it is now.

    ``view`` asks the agent for a page (name, words, user), which puts it on record; it raises OSError where nobody
    answers. ``now``: seconds since the epoch.
    """

    def __init__(
        self,
        version: str,
        snapshots: Callable[[], tuple[Snapshot | None, Snapshot | None]],
        access: Callable[[], Access],
        view: Callable[[str, dict[str, str], str], Viewed],
        now: Callable[[], float],
    ) -> None:
        self._version = version
        self._snapshots = snapshots
        self._access = access
        self._view = view
        self._now = now

    def answer(self, path: str, who: Callable[[], str]) -> Answer:
        """The response to a GET of ``path`` (query included); ``who``: the user who came in, "" for nobody."""
        place, _, query = path.partition("?")
        if place == "/console.css":
            return Answer(HTTPStatus.OK, _CSS, render.css(), (("Cache-Control", "max-age=300"), *_HEAD[1:]))
        return self._shown(self._page(place, query, who))

    def _page(self, place: str, query: str, who: Callable[[], str]) -> Page:
        from exporters.console import single

        if place == "/":
            from exporters.console.overview import overview

            return overview(*self._snapshots(), self._now())
        if place == "/about":
            return _ABOUT
        if place == "/recent":
            return self._single("recent", {}, who(), lambda rows: single.recent(rows, self._now()))
        if place == "/servers":
            words = _words(query)
            if words is None:
                return said(HTTPStatus.NOT_FOUND, "No list of servers can be asked for so; /servers has a form for it.")
            return self._listed(words, who())
        if named := _SERVER.fullmatch(place):
            words = {"server": named[1]}
            return self._single("server", words, who(), lambda rows: single.server(rows, self._now()))
        return said(HTTPStatus.NOT_FOUND, "There is no such page; the overview leads to those that there are.")

    def _listed(self, words: dict[str, str], user: str) -> Page:
        from exporters.console import single

        return self._single("servers", words, user, lambda rows: single.servers(rows, words, self._now()))

    def _single(
        self, page: str, words: dict[str, str], user: str, made: Callable[[list[dict[str, object]]], Page]
    ) -> Page:
        access = self._access()
        if not user or user not in access.viewers:
            return _closed(access, user)
        try:
            viewed = self._view(page, words, user)
        except OSError:
            return said(HTTPStatus.SERVICE_UNAVAILABLE, "The agent does not answer, so nothing can be shown.")
        if viewed.status != "shown":
            why = viewed.error or ""
            return said(_STATUS[viewed.status], f"{why[:1].upper()}{why[1:]}.")
        return made(viewed.items)

    def _shown(self, page: Page) -> Answer:
        body = render.html(page, self._version, self._access().operator)
        return Answer(page.status, _HTML, body, _HEAD)


def said(status: HTTPStatus, text: str, sections: tuple[Section, ...] = ()) -> Page:
    """A page that says why there is none."""
    return Page(_TITLES[status], "", text, "warn", sections=sections, status=status)


def _words(query: str) -> dict[str, str] | None:
    """What a list of servers is asked by; None for what none can be asked by. Keys that are not known are ignored."""
    from exporters.console.single import FILTERS

    given = {name: value.strip() for name, value in form_fields(query.encode()).items()}
    words = {name: given[name] for name in (*FILTERS, "cve", "page") if given.get(name)}
    good = all(
        value in FILTERS[name][1] if name in FILTERS else (_CVE if name == "cve" else _PAGE).fullmatch(value)
        for name, value in words.items()
    )
    return words if good else None


def _closed(access: Access, user: str) -> Page:
    """Why somebody may not see single servers, and what would have to be configured."""
    facts = [
        (
            "exporter.web_config",
            Cell("set", state="ok")
            if access.web_config
            else Cell("empty", state="warn", note="name a web configuration file with TLS and basic_auth_users"),
        ),
        (
            "exporter.viewers",
            Cell("set", state="ok")
            if access.viewers
            else Cell("empty: nobody", state="warn", note="name the users of that file who may see single servers"),
        ),
        (
            "You came in as",
            Cell("a user whom exporter.viewers does not name", state="warn")
            if user
            else Cell("nobody", state="warn", note="by a password or a client certificate you would be somebody"),
        ),
    ]
    section = Section("needed", "What it takes", "docs/console.md goes there step by step.", facts=facts)
    text = "What shows single servers is for the users that the operator names, and for nobody without a name."
    return said(HTTPStatus.FORBIDDEN, text, (section,))


_ABOUT = Page(
    "About these pages",
    "",
    "What this daemon knows, for the engineers who run it. Nothing here needs a script or comes from elsewhere.",
    sections=(
        Section(
            "pages", "Pages", "Everybody who reaches this listener sees counts. What shows single servers is for users"
            " that exporter.viewers names, and leaves an entry in the audit log before it is shown.",
            facts=(
                ("Overview", Cell("counts alone", "/")),
                ("Recent", Cell("probes and refusals, by pseudonym", "/recent")),
                ("Servers", Cell("single servers, by pseudonym; a page for each", "/servers")),
            ),
        ),
        Section(
            "machines", "For machines",
            facts=(
                ("/metrics", Cell("for Prometheus; aggregates", "/metrics")),
                ("/-/ready", Cell("200 if the metrics can be relied on, otherwise 503 and why", "/-/ready")),
                ("/-/healthy", Cell("200 while this process answers", "/-/healthy")),
                ("POST /-/reload", Cell("from this machine: the configuration is read anew; 200, or why not")),
            ),
        ),
    ),
)  # fmt: skip
