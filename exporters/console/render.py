"""A page as HTML: the one place where what strangers say meets markup. Everything is escaped, cut and made printable.

The template engine is loaded with the first page: who only scrapes never pays for it.
"""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING, Any

from agent.screen import printable

if TYPE_CHECKING:
    from jinja2 import Environment

    from exporters.console.content import Page

MOST = 2000  # characters of one text, whoever said it

NAVIGATION = (("overview", "/", "Overview"), ("recent", "/recent", "Recent"), ("servers", "/servers", "Servers"))


def html(page: Page, version: str, operator: str) -> bytes:
    """The document, UTF-8. ``operator``: the name of the provider, "" where that is not said."""
    template = _environment().get_template("page.html")
    shown = template.render(page=page, version=version, operator=operator, navigation=NAVIGATION)
    # Half a character, which JSON can bring, is not printable and gone by now.
    return shown.encode()


@cache
def css() -> bytes:
    """The one style sheet."""
    environment = _environment()
    assert environment.loader is not None
    return environment.loader.get_source(environment, "console.css")[0].encode()


@cache
def _environment() -> Environment:
    from jinja2 import Environment, PackageLoader, StrictUndefined

    return Environment(
        loader=PackageLoader("exporters.console"),
        autoescape=True,
        finalize=_clean,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        auto_reload=False,
    )


def _clean(value: Any) -> Any:
    """What is put into a page: markup of ours as it is, every other text printable and not too long."""
    if not isinstance(value, str) or hasattr(value, "__html__"):
        return value
    if len(value) > MOST:
        value = value[:MOST] + "…"
    return printable(value.replace("\n", " / "))
