"""What a customer is asked to agree to, word for word, and the record that is made when he does. Pure.

The text is no template: it says what the record will say, all of it and nothing else. By its hash it is the evidence of
the record; it is sent by mail, shown where he agrees, and sent once more with the receipt.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from hashlib import sha256
from typing import TYPE_CHECKING, Any

from agent.consent.written import rfc3339

if TYPE_CHECKING:
    from collections.abc import Sequence

DAYS = 365  # for which a record holds that was given so
TIERS = ("passive.handshake", "active.build")
PROBES = ("exchange-http",)
# The texts that a record has to rest on (agent.consent.checks), of which there has to be one of each.
WANTED = (("terms",), ("objection_page",), ("sla", "faq"))

Written = dict[str, Any]

_TEXT = {
    "nl": """Ik ga ermee akkoord dat {operator} dit doet met mijn mailservers:

1. Meekijken met de eerste woorden die deze servers zelf zeggen aan het
begin van een verbinding, om te zien welke versie van Microsoft Exchange
erop draait.

2. Hun hoogstens eens per dag met enkele gewone verzoeken vragen welke
versie dat is. Zonder in te loggen, zonder een lek te gebruiken en zonder
iets te wijzigen.

Doel: mij waarschuwen als een server onveilig is. Wat gevonden wordt, hoort
niemand anders.

Adressen: {prefixes}
Poorten: {ports}
Uren: {hours} ({zone})
Hoe lang: {days} dagen vanaf mijn akkoord.

Ik mag over deze servers beslissen, als eigenaar of namens de eigenaar.

Hierbij horen deze teksten:
{documents}

Ik kan dit op elk moment stoppen, zonder reden: met de link in het
ontvangstbewijs, of via {contact}.
""",
    "en": """I agree that {operator} does the following with my mail servers:

1. Look at the first words that these servers say themselves at the start
of a connection, to see which version of Microsoft Exchange they run.

2. Ask them once a day at most, with a few ordinary requests, which version
that is. Without logging in, without using any hole and without changing
anything.

Purpose: to warn me if a server is not safe. What is found is told to
nobody else.

Addresses: {prefixes}
Ports: {ports}
Hours: {hours} ({zone})
How long: {days} days from my agreement.

I may decide about these servers, as their owner or on behalf of the owner.

These texts belong to it:
{documents}

I can stop this at any moment, without a reason: by the link in the
receipt, or by {contact}.
""",
}
_HOURS = {"nl": {"daily 00:00-24:00": "dag en nacht"}, "en": {"daily 00:00-24:00": "day and night"}}
_CALLED = {
    "nl": {"terms": "voorwaarden", "objection_page": "pagina voor bezwaar", "sla": "dienstbeschrijving",
           "faq": "vragen en antwoorden"},
    "en": {"terms": "terms", "objection_page": "page for objections", "sla": "service description",
           "faq": "questions and answers"},
}  # fmt: skip


def scope(prefixes: Sequence[str], ports: Sequence[int], hours: Sequence[str], zone: str) -> Written:
    """What of a record is asked for: looking, and one probe a day of each server."""
    return {
        "prefixes": list(prefixes),
        "ports": list(ports),
        "tiers": list(TIERS),
        "probes": list(PROBES),
        "window": {"hours": list(hours), "tz": zone},
        "rate": 1,
    }


def text(lang: str, operator: str, contact: str, of: Written, documents: Sequence[Written]) -> str:
    """All that is agreed to. ``of``: a scope; ``documents``: those that the record will name."""
    hours = [_HOURS[lang].get(each, each) for each in of["window"]["hours"]]
    called = _CALLED[lang]
    lines = [
        f"- {called[each['kind']]} {each['version']} ({each['lang']}), SHA-256:\n{each['sha256']}" for each in documents
    ]
    return _TEXT[lang].format(
        operator=operator,
        contact=contact.removeprefix("mailto:"),
        prefixes=", ".join(of["prefixes"]),
        ports=", ".join(map(str, of["ports"])),
        hours=", ".join(hours),
        zone=of["window"]["tz"],
        days=DAYS,
        documents="\n".join(lines),
    )


def chosen(published: dict[tuple[str, str], Written], lang: str) -> list[Written] | None:
    """The texts that a record has to rest on, in the customer's language where there are; None where one is missing."""
    found = []
    for kinds in WANTED:
        there = [
            published[kind, each]
            for each in (lang, *({"nl", "en"} - {lang}))
            for kind in kinds
            if (kind, each) in published
        ]
        if not there:
            return None
        found.append(there[0])
    return found


def record(
    asked: Written, ref: str, contacts: list[Written], *, url: str, token: str, receipt: str, entry: int, now: float
) -> Written:
    """``consent-record/1``, as the customer has agreed to it. ``asked``: body of the request, ``entry`` its number.

    ``token``: by which he stops it, of which the record has the hash; ``receipt``: its number; ``now``: seconds since
    the epoch, when he did.
    """
    shown = sha256(asked["text"].encode()).hexdigest()
    at = datetime.fromtimestamp(now, UTC)
    made = {
        "record_id": asked["record_id"],
        "created_at": rfc3339(at),
        "created_by": "knockfirst: answer to a request",
        "customer_ref": ref,
        "subject_kind": asked["subject_kind"],
        "basis": "explicit",
        "authority": {"kind": "authorised_by_owner", "statement_sha256": shown},
        "grantor": {"role": asked["role"], "verified_by": "mail_link"},
        "documents": asked["documents"],
        "evidence": [{"type": "text shown", "sha256": shown, "stored_at": f"entry {entry} of this log"}],
        "scope": asked["scope"],
        "contacts": contacts,
        "valid_from": rfc3339(at),
        "valid_until": rfc3339(at + timedelta(days=DAYS)),
        "withdrawal": {"url": url, "token_sha256": sha256(token.encode()).hexdigest()},
        "receipt": {"id": receipt, "sent_at": rfc3339(at), "channel": "mail"},
    }
    return made | ({"announcement": asked["announcement"]} if asked.get("announcement") else {})
