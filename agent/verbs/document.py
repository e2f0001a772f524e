"""``document.publish``: that a text is published, by its hash. A record that rests on another text opens nothing."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from pydantic import ValidationError

from agent.audit.entry import Item
from agent.consent.written import Document
from agent.errors import InputError
from agent.giving import faults

if TYPE_CHECKING:
    from collections.abc import Iterator

    from agent.office import Office, Who


def publish(office: Office, words: dict[str, Any], who: Who) -> Iterator[dict[str, Any]]:
    """``document``: kind, version, lang, sha256, published_at, perhaps url. Gives {"sha256", "kind", "entry"}.

    ``entry`` is None where the text was on record before. Raises InputError.
    """
    try:
        document = Document.model_validate(words.get("document"))
    except ValidationError as error:
        raise InputError(faults(error)) from None
    if document.published_at.timestamp() > office.now() + 1:
        raise InputError("published_at: has not come yet; put on record what is published, once it is")
    known = office.register.documents.get(document.sha256)
    if known is not None and known != document.kind:
        raise InputError(f"{document.sha256}: is on record as {known}; a text is of one kind")
    number = None
    if known is None:
        public = document.model_dump(mode="json", exclude_none=True)
        number = office.record([Item("document.published", public)])[0].number
    yield {"sha256": document.sha256, "kind": document.kind, "entry": number}
