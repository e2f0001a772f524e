"""What the operator's web server gives at ``probe.probing_url``: fetched once, by a process that has nothing else.

``python -m collectors.registry.published URL [--ca FILE]`` writes what it got to stdout. No proxy, no variable of the
environment, no cookie and no redirect has a say in where it comes from, and the certificate has to be valid.
"""

from __future__ import annotations

import sys
import time
from argparse import ArgumentParser
from typing import TYPE_CHECKING

import httpx

from agent.consent.probing_txt import MAX_TEXT
from agent.errors import ConfigError, InputError, UnavailableError

if TYPE_CHECKING:
    import ssl

SECONDS = 10.0  # for each wait, and for all of it twice that


def fetch(url: str, ca: str = "") -> bytes:
    """The body at a URL of https. ``ca``: PEM file of the authorities to believe, "" for the public ones.

    Raises InputError for a URL or file that cannot be used, UnavailableError where there is no such text.
    """
    context = _context(ca)
    deadline = time.monotonic() + 2 * SECONDS
    if not url.startswith("https://"):
        raise InputError(f"{url}: not a URL of https")
    try:
        with (
            httpx.Client(verify=context, trust_env=False, follow_redirects=False, timeout=SECONDS) as client,
            client.stream("GET", url, headers=_HEADERS) as response,
        ):
            _judge(url, response)
            return _body(url, response, deadline)
    except httpx.InvalidURL as error:
        raise InputError(f"{url}: {error}") from None
    except httpx.HTTPError as error:
        raise UnavailableError(f"{url}: {str(error) or type(error).__name__}; is it published there?") from None


_HEADERS = {"User-Agent": "knockfirst probing check", "Accept": "text/plain", "Accept-Encoding": "identity"}


def _context(ca: str) -> ssl.SSLContext:
    if not ca:
        return httpx.create_ssl_context(trust_env=False)
    import ssl

    try:
        return ssl.create_default_context(cafile=ca)
    except (OSError, ValueError) as error:
        said = "holds no certificate in PEM" if isinstance(error, ssl.SSLError) else getattr(error, "strerror", error)
        raise InputError(f"{ca}: {said}; give the certificate of the authority") from None


def _judge(url: str, response: httpx.Response) -> None:
    """Raise UnavailableError where the head of the answer is not one of a text."""
    kind = response.headers.get("content-type", "")
    if response.status_code != httpx.codes.OK:
        where = response.headers.get("location", "")
        more = f", to {where!r:.100}: redirects are not followed" if where else ""
        raise UnavailableError(f"{url}: answers {response.status_code}{more}; publish the file itself there")
    if kind.partition(";")[0].strip().lower() != "text/plain":
        raise UnavailableError(f"{url}: is {kind!r:.100}; serve it as text/plain; charset=utf-8 (RFC 9116 section 3)")
    if response.headers.get("content-encoding", "identity").lower() != "identity":
        raise UnavailableError(f"{url}: is sent compressed, which was not asked for; send it as it is")


def _body(url: str, response: httpx.Response, deadline: float) -> bytes:
    made = bytearray()
    for chunk in response.iter_raw():
        made += chunk
        if len(made) > MAX_TEXT:
            raise UnavailableError(f"{url}: longer than {MAX_TEXT} bytes; that is another file")
        if time.monotonic() > deadline:
            raise UnavailableError(f"{url}: not whole after {2 * SECONDS:.0f} s")
    return bytes(made)


def main(words: list[str]) -> int:
    """Write what is there to stdout; what is wrong goes to stderr, with the exit code of its family."""
    parser = ArgumentParser(prog="collectors.registry.published")
    parser.add_argument("url")
    parser.add_argument("--ca", default="")
    options = parser.parse_args(words)
    try:
        content = fetch(options.url, options.ca)
    except ConfigError as error:
        sys.stderr.write(f"{error}\n")
        return error.exit_code
    sys.stdout.buffer.write(content)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
