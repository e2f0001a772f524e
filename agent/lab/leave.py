"""Made-up customers for demo, tests and benches: who was told, who agreed, who said no. Written as a registry would."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from hashlib import sha256
from typing import TYPE_CHECKING, Any
from uuid import UUID

from agent.audit.entry import Item
from agent.consent.written import body, rfc3339

if TYPE_CHECKING:
    from collections.abc import Sequence

SOURCE = "laboratory"
TEXTS = {kind: sha256(kind.encode()).hexdigest() for kind in ("terms", "sla", "objection_page")}


def ago(now: float, days: float) -> str:
    """The time so many days before ``now`` (seconds since the epoch), as it is written."""
    return rfc3339(datetime.fromtimestamp(now, UTC) - timedelta(days=days))


def ident(name: str) -> str:
    """An id of RFC 9562 form, always the same for a name."""
    return str(UUID(bytes=sha256(name.encode()).digest()[:16], version=4))


def published(now: float, days: float = 60) -> list[Item]:
    """The operator's texts."""
    return [
        Item(
            "document.published",
            {"kind": kind, "version": "1", "lang": "en", "sha256": digest, "published_at": ago(now, days)},
        )
        for kind, digest in TEXTS.items()
    ]


def checked(now: float, describes: str, expires: float | None = None) -> Item:
    """probing.txt as it was seen just now, with what it described (agent.consent.probing_txt)."""
    until = rfc3339(datetime.fromtimestamp(expires or now + 90 * 86_400, UTC))
    return Item(
        "probing.checked",
        {"sha256": TEXTS["terms"], "at": ago(now, 0), "expires": until, "describes": describes},
    )


def mapped(customer: str, prefixes: Sequence[str], now: float, *, days: float = 90, kind: str = "static") -> Item:
    """That these are a customer's prefixes."""
    said = {"source": SOURCE, "at": ago(now, days), "prefixes": list(prefixes), "kind": kind}
    return Item("mapping.asserted", {}, customer, body("mapping.asserted", said))


def unmapped(customer: str, prefixes: Sequence[str], now: float) -> Item:
    """That they are not any more."""
    said = {"source": SOURCE, "at": ago(now, 0), "prefixes": list(prefixes)}
    return Item("mapping.withdrawn", {}, customer, body("mapping.withdrawn", said))


def synced(now: float, prefixes: int = 1) -> Item:
    """That the source was read in full just now."""
    return Item("mapping.synced", {"source": SOURCE, "at": ago(now, 0), "prefixes": prefixes})


def announced(customer: str, now: float, *, days: float = 40, delivered: str = "yes") -> Item:
    """That the announcement was sent to a customer, and whether it arrived."""
    said = {"channel": "mail", "sent_at": ago(now, days), "delivered": delivered, "sha256": TEXTS["terms"]}
    return Item("record.announced", {"channel": "mail"}, customer, body("record.announced", said))


def record(customer: str, prefixes: Sequence[str], now: float, *, port: int = 443, **changes: Any) -> dict[str, Any]:
    """``consent-record/1``: explicit, verified, for a year, day and night, for looking and for one probe a day."""
    documents = [
        {"kind": kind, "version": "1", "lang": "en", "sha256": digest, "published_at": ago(now, 60)}
        for kind, digest in TEXTS.items()
    ]
    return {
        "record_id": ident(f"record {customer}"),
        "created_at": ago(now, 35),
        "created_by": "laboratory",
        "customer_ref": customer,
        "subject_kind": "legal_person",
        "basis": "explicit",
        "authority": {"kind": "owner"},
        "grantor": {"role": "it", "verified_by": "callback"},
        "documents": documents,
        "scope": {
            "prefixes": list(prefixes),
            "ports": [port],
            "tiers": ["passive.handshake", "active.build"],
            "probes": ["exchange-http"],
            "window": {"hours": ["daily 00:00-24:00"], "tz": "Europe/Amsterdam"},
        },
        "contacts": contacts(customer, now),
        "valid_from": ago(now, 35),
        "valid_until": ago(now, -300),
        "withdrawal": {"url": "https://isp.example/objections", "token_sha256": token_hash(customer)},
        **changes,
    }


def contacts(customer: str, now: float) -> list[dict[str, Any]]:
    """Two, of two channels, both verified."""
    return [
        {"role": "security", "channel": "mail", "address": f"security@{customer}.example", "verified_at": ago(now, 35)},
        {"role": "owner", "channel": "phone", "address": "+31 20 555 0100", "verified_at": ago(now, 35)},
    ]


def given(customer: str, prefixes: Sequence[str], now: float, **changes: Any) -> Item:
    """That a customer agreed."""
    return Item("record.given", {}, customer, body("record.given", record(customer, prefixes, now, **changes)))


def objected(customer: str, prefixes: Sequence[str] | None, now: float, *, headers: bool = False) -> Item:
    """That a customer said no."""
    said = {
        "at": ago(now, 0),
        "objection_id": ident(f"objection {customer} {prefixes} {now}"),
        "prefixes": prefixes,
        "headers": headers,
        "verified": True,
    }
    return Item("record.objected", {"channel": "command"}, customer, body("record.objected", said))


def token(customer: str) -> str:
    """What a customer got with his receipt."""
    return f"stop-{customer}"


def token_hash(customer: str) -> str:
    return sha256(token(customer).encode()).hexdigest()


def agreed(customer: str, prefixes: Sequence[str], now: float, *, port: int = 443) -> list[Item]:
    """Everything that it takes for a customer to be knocked at."""
    return [
        mapped(customer, prefixes, now),
        announced(customer, now),
        given(customer, prefixes, now, port=port),
    ]
