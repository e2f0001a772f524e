"""NetBox: which tenant has which prefix, by its REST API (https://netboxlabs.com/docs/netbox/integrations/rest-api/).

Only the configured host is spoken to: no proxy of the environment, no redirect, no page of another place. All of it is
fetched before anything is told to the register; a failure in the middle leaves everything as it was.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

import pynetbox
import requests
from pynetbox.core.query import ContentError, Request, RequestError
from requests.compat import urlparse  # type: ignore[attr-defined]

from agent.errors import InputError, UnavailableError
from collectors.registry.reading import Reading

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from collectors.registry.reading import Row

PAGE = 500  # prefixes asked for at once; NetBox gives 1000 at most by default
MAX_ANSWER = 64 << 20  # bytes of one page
MAX_PREFIXES = 1_000_000
KINDS = ("static", "dynamic", "shared", "unknown", "skip")

# What a prefix is by its status (the values of NetBox) where its role says nothing.
STATUSES = {"active": "static", "container": "skip", "reserved": "unknown", "deprecated": "unknown"}

_CHUNK = 64 << 10


class Wanted(NamedTuple):
    """Whom to ask, and what. ``kinds``: ``role:SLUG`` and ``status:VALUE`` -> one of KINDS.

    ``wait``: seconds for each answer to begin and go on; ``seconds``: for all of it.
    """

    url: str
    token: str
    ca_file: str | None = None
    tag: str | None = None
    tenant_field: str = "slug"
    kinds: dict[str, str] = {}  # noqa: RUF012  (never changed)
    plain: bool = False
    wait: float = 10.0
    seconds: float = 600.0


class Confined(requests.Session):
    """A session that speaks to one host, at one port, by one scheme, until its time is over."""

    def __init__(self, wanted: Wanted, monotonic: Callable[[], float]) -> None:
        super().__init__()
        self.trust_env = False  # neither its proxies nor its .netrc
        self.verify = wanted.ca_file or True
        self._place = _place(wanted.url)
        self._wait = wanted.wait
        self._monotonic = monotonic
        self._end = monotonic() + wanted.seconds

    def request(self, method: Any, url: Any, **options: Any) -> requests.Response:  # type: ignore[override]
        """As of ``requests``, but for the bounds. Raises UnavailableError for what goes elsewhere or beyond them."""
        if _place(str(url)) != self._place:
            raise UnavailableError(f"NetBox names a page at {_shown(str(url))}; only {_at(self._place)} is spoken to")
        options |= {"allow_redirects": False, "timeout": self._wait, "stream": True, "proxies": {}}
        response = super().request(method, url, **options)
        if response.is_redirect or 300 <= response.status_code < 400:
            to = _shown(response.headers.get("Location", "nowhere"))
            raise UnavailableError(f"NetBox sends us on to {to}; give the URL where it is itself")
        response._content = self._bounded(response)  # what `stream` leaves to be read
        return response

    def _bounded(self, response: requests.Response) -> bytes:
        read = bytearray()
        for chunk in response.iter_content(_CHUNK):
            read += chunk
            if len(read) > MAX_ANSWER:
                raise UnavailableError(f"NetBox answers with more than {MAX_ANSWER} bytes at once")
            if self._monotonic() > self._end:
                raise UnavailableError("NetBox takes too long; nothing was changed")
        return bytes(read)


def fetch(wanted: Wanted, made: str, monotonic: Callable[[], float]) -> Reading:
    """All that NetBox says, at once. Raises InputError for what was asked, UnavailableError for the answer."""
    _usable(wanted)
    api = pynetbox.api(wanted.url.rstrip("/"), token=wanted.token)
    api.http_session = Confined(wanted, monotonic)
    try:
        filters = {"vrf_id": "null", **({"tag": wanted.tag} if wanted.tag else {})}
        prefixes = _all(api, "ipam/prefixes", filters)
        refs = _refs(api, wanted.tenant_field)
    except RequestError as error:
        raise UnavailableError(_refused(wanted.url, error)) from None
    except ContentError:
        raise UnavailableError(f"{wanted.url}: answers, but not as NetBox does; is that its URL?") from None
    except requests.exceptions.SSLError:
        raise UnavailableError(f"{wanted.url}: its certificate is not known; name its CA with --ca-file") from None
    except requests.exceptions.Timeout:
        raise UnavailableError(f"{wanted.url}: no answer within {wanted.wait:g} s; nothing was changed") from None
    except (requests.exceptions.RequestException, OSError) as error:
        raise UnavailableError(f"{wanted.url}: {type(error).__name__}; nothing was changed") from None
    faults: list[str] = []
    return Reading(made, full=True, rows=_rows(prefixes, refs, wanted, faults), faults=faults)


def _usable(wanted: Wanted) -> None:
    scheme, host, _ = _place(wanted.url)
    if scheme not in ("http", "https") or not host:
        raise InputError(f"--url: {_shown(wanted.url)} is no URL of a NetBox; write it like https://netbox.example.net")
    if scheme == "http" and not wanted.plain and host not in ("127.0.0.1", "::1", "localhost"):
        raise InputError("--url: http shows the token to everybody on the way; use https, or say --plain-http")
    for name, kind in wanted.kinds.items():
        if kind not in KINDS or not name.startswith(("role:", "status:")):
            raise InputError(f"--kind: {name}={kind}: write role:SLUG=KIND or status:VALUE=KIND; {', '.join(KINDS)}")


def _all(api: Any, path: str, filters: dict[str, str]) -> list[dict[str, Any]]:
    """Every object of a list. Raises UnavailableError where they are not as many as NetBox says."""
    asked = Request(f"{api.base_url}/{path}/", api.http_session, filters=filters, limit=PAGE, token=api.token)
    found: dict[int, dict[str, Any]] = {}
    read = 0
    try:
        for each in asked.get():
            read += 1
            found[each["id"]] = each
            if read > MAX_PREFIXES:
                raise UnavailableError(f"NetBox has more than {MAX_PREFIXES} in {path}; narrow it with --tag")
        count = asked.count
    except (KeyError, TypeError, AttributeError):
        raise UnavailableError(f"NetBox answers for {path} with something that is no list") from None
    if type(count) is not int or read != count or len(found) != count:
        raise UnavailableError(
            f"NetBox says {count} in {path}, and gave {read}, {len(found)} of them different: it was changed, or cut "
            "off, while it was read; run it again"
        )
    return list(found.values())


def _refs(api: Any, field: str) -> dict[int, Any] | None:
    """The customer's reference of each tenant by its id; None where a prefix itself has it."""
    if field in ("slug", "id"):
        return None
    return {each["id"]: _field(each, field) for each in _all(api, "tenancy/tenants", {})}


def _field(value: Any, path: str) -> Any:
    for part in path.split("."):
        value = value.get(part) if isinstance(value, dict) else None
    return value


def _rows(
    prefixes: list[dict[str, Any]], refs: dict[int, Any] | None, wanted: Wanted, faults: list[str]
) -> Iterator[Row]:
    for each in prefixes:
        where = f"prefix {each['id']}"
        tenant = each.get("tenant")
        kind = _kind(each, wanted)
        if tenant is None or kind == "skip":
            continue
        ref = refs.get(_field(tenant, "id")) if refs is not None else _field(tenant, wanted.tenant_field)
        if ref is None:
            faults.append(
                f"{where}: its tenant has no {wanted.tenant_field}; fill it in, or name another --tenant-field"
            )
            continue
        yield where, {"what": "mapping", "prefix": each.get("prefix"), "customer": str(ref), "kind": kind}


def _kind(each: dict[str, Any], wanted: Wanted) -> str:
    """By its role where it has one, and a role that nobody named is not known; else by its status."""
    status = str(_field(each, "status.value"))
    by_status = wanted.kinds.get(f"status:{status}", STATUSES.get(status, "unknown"))
    role = _field(each, "role.slug")
    if role is None or by_status != "static":
        return by_status
    return wanted.kinds.get(f"role:{role}", "unknown")


def _refused(url: str, error: RequestError) -> str:
    status = error.req.status_code
    if status in (401, 403):
        return f"{url}: does not let this token in ({status}); give it the right to view prefixes and tenants"
    if status == 404:
        return f"{url}: has no API there (404); is that its URL?"
    return f"{url}: failed with {status}; nothing was changed"


def _place(url: str) -> tuple[str, str, int | None]:
    try:
        parts = urlparse(url)
        return parts.scheme, parts.hostname or "", parts.port or {"http": 80, "https": 443}.get(parts.scheme)
    except ValueError:
        return "", "", None


def _at(place: tuple[str, str, int | None]) -> str:
    return f"{place[0]}://{place[1]}:{place[2]}"


def _shown(url: str) -> str:
    """A URL without what may be secret in it."""
    return _at(_place(url)) if _place(url)[1] else repr(url[:60])
