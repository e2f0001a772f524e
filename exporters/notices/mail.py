"""The mail relay: a submission (RFC 6409) by one connection, step by step, so that leave is asked before DATA.

What the relay says is judged here, and of what it says nothing leaves but a code: its text names the recipient.
"""

from __future__ import annotations

import re
import smtplib
import ssl
from contextlib import suppress
from typing import TYPE_CHECKING, NamedTuple

from agent.errors import ConfigError
from agent.notify import PULSE
from agent.places import host

if TYPE_CHECKING:
    from collections.abc import Callable

    from agent.messages import NotifierSection

_REPLY = 120.0  # seconds for any reply; who gives up early on the last one sends twice (RFC 5321, 4.5.3.2)
_LAST = 600.0  # seconds for the one after the message
_PARTING = 3.0  # seconds for the one to QUIT, which nobody needs
_IDLE = 10.0  # seconds for which an unused connection is held
_MOST = 100  # messages by one connection
_ENVID = 100  # characters (RFC 3461, 4.4)

_STATUS = re.compile(rb"\s*([245]\.\d{1,3}\.\d{1,3})\b")
_DOT = re.compile(rb"(?m)^\.")
_PLAIN = re.compile(r"[!-*,-<>-~]*")  # what xtext has as it is (RFC 3461, 4)

# Of RCPT, what says that a command or its parameters are not taken, or that there has to be a login first.
_ABOUT_US = (500, 502, 503, 504, 530, 555)

_TROUBLE = (OSError, smtplib.SMTPException)


class Outcome(NamedTuple):
    """As in agent.notice.Sent."""

    outcome: str
    code: int = 0
    detail: str = ""


class Letter(NamedTuple):
    """One message for one recipient; ``content`` has CR LF at the end of each line."""

    sender: str
    to: str
    message_id: str
    content: bytes


class RefusedError(Exception):
    """The relay does not do what is needed before a recipient can be named. ``stage`` is a word of ours."""

    def __init__(self, stage: str, code: int = 0, said: bytes = b"") -> None:
        super().__init__(stage)
        self.stage = stage
        self.code = max(code, 0)  # what begins with no number has a code below it (smtplib)
        self.said = said


def tls(section: NotifierSection) -> ssl.SSLContext | None:
    """How the relay's certificate is looked at. Raises ConfigError for a file that has none in it."""
    if section.tls == "none":
        return None
    try:
        context = ssl.create_default_context(cafile=section.ca or None)
    except OSError as error:
        raise ConfigError(f"notices.ca: {section.ca}: {error.strerror or error}; name a file of certificates") from None
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    return context


class Relay:
    """The connection to it, made when it is needed. ``trouble`` is told of what an operator has to mend: stage, code.

    ``monotonic``: seconds of a clock that only rises.
    """

    def __init__(
        self,
        section: NotifierSection,
        context: ssl.SSLContext | None,
        password: str,
        trouble: Callable[[str, int], None],
        monotonic: Callable[[], float],
    ) -> None:
        self._section = section
        self._context = context
        self._password = password
        self._trouble = trouble
        self._monotonic = monotonic
        self._smtp: smtplib.SMTP | None = None
        self._used = 0
        self._last = 0.0

    def deliver(self, letter: Letter, leave: Callable[[], bool]) -> Outcome:
        """Give the relay one message. ``leave`` is asked once it has taken sender and recipient; no DATA without it.

        At most one DATA. What ``leave`` raises goes through, and the connection is closed.
        """
        try:
            with PULSE.waiting():
                outcome = self._addressed(letter)
            if outcome is None and not leave():
                self._reset()
                outcome = Outcome("cancelled")
        except BaseException:
            self.close()
            raise
        if outcome is None:
            with PULSE.waiting():
                outcome = self._data(letter.content)
        self._used += 1
        self._last = self._monotonic()
        if self._used >= _MOST:
            self.part()
        return outcome

    def until_idle(self) -> float | None:
        """Seconds until ``look`` lets go of the connection; None where there is none."""
        return None if self._smtp is None else max(0.0, self._last + _IDLE - self._monotonic())

    def look(self) -> None:
        """Let go of a connection that has not been used for a while."""
        if self._smtp is not None and self._monotonic() >= self._last + _IDLE:
            self.part()

    def part(self) -> None:
        """Say QUIT, and close."""
        if self._smtp is not None and self._smtp.sock is not None:
            with suppress(*_TROUBLE):
                self._smtp.sock.settimeout(_PARTING)
                self._smtp.docmd("QUIT")
        self.close()

    def close(self) -> None:
        """Close without a word."""
        if self._smtp is not None:
            self._smtp.close()
        self._smtp = None
        self._used = 0

    def _addressed(self, letter: Letter) -> Outcome | None:
        """Connect where that is needed, and name sender and recipient: what became of it, or None if all is well."""
        if self._smtp is not None:
            with suppress(RefusedError, *_TROUBLE):
                return self._envelope(self._smtp, letter)
            # It has been closed meanwhile, or has had enough of us. Nothing was sent yet.
            self.close()
        try:
            self._smtp = self._opened()
            return self._envelope(self._smtp, letter)
        except RefusedError as error:
            self._trouble(error.stage, error.code)
            self.part()
            return Outcome("later", error.code, _detail(error.said) or error.stage)
        except _TROUBLE as error:
            stage = _word(error)
            self._trouble(stage, 0)
            self.close()
            return Outcome("later", 0, stage)

    def _opened(self) -> smtplib.SMTP:
        where, port = host(self._section.relay)
        # Our own name in EHLO: the domain we write from. What smtplib would do is look it up.
        name = self._section.sender.rpartition("@")[2]
        try:
            if self._section.tls == "tls":
                smtp: smtplib.SMTP = smtplib.SMTP_SSL(where, port, name, timeout=_REPLY, context=self._context)
            else:
                smtp = smtplib.SMTP(where, port, name, timeout=_REPLY)
        except smtplib.SMTPConnectError as error:
            raise RefusedError("greeting", error.smtp_code) from None
        try:
            self._greeted(smtp)
        except BaseException:
            smtp.close()
            raise
        return smtp

    def _greeted(self, smtp: smtplib.SMTP) -> None:
        _wanted("ehlo", *smtp.ehlo())
        if self._section.tls == "starttls":
            if not smtp.has_extn("starttls"):
                raise RefusedError("no starttls")
            try:
                smtp.starttls(context=self._context)
            except smtplib.SMTPResponseException as error:
                raise RefusedError("starttls", error.smtp_code) from None
            _wanted("ehlo", *smtp.ehlo())
        if self._section.user:
            self._log_in(smtp)

    def _log_in(self, smtp: smtplib.SMTP) -> None:
        try:
            smtp.login(self._section.user, self._password)
        except smtplib.SMTPResponseException as error:
            raise RefusedError("auth", error.smtp_code) from None
        except ValueError:  # a challenge that is none
            raise RefusedError("auth") from None
        except smtplib.SMTPServerDisconnected:
            raise
        except smtplib.SMTPException:  # no AUTH at all, or none of the ways that there are here
            raise RefusedError("no auth") from None

    def _envelope(self, smtp: smtplib.SMTP, letter: Letter) -> Outcome | None:
        for_sender, for_recipient = self._options(smtp, letter)
        _wanted("sender", *smtp.mail(letter.sender, for_sender))
        code, said = smtp.rcpt(letter.to, for_recipient)
        if 200 <= code < 300:
            return None
        # Policy (X.7.X of RFC 3463) is about us and not about whom we write to: who may submit, and how.
        if code in _ABOUT_US or _detail(said).startswith("5.7."):
            raise RefusedError("recipient", code, said)
        self._reset()
        return _judged(code, said) or Outcome("later", max(code, 0), "recipient")

    def _options(self, smtp: smtplib.SMTP, letter: Letter) -> tuple[list[str], list[str]]:
        """What MAIL and RCPT ask for: who tells what became of a message, where the relay can (RFC 3461)."""
        size = [f"SIZE={len(letter.content)}"] if smtp.has_extn("size") else []
        if not smtp.has_extn("dsn"):
            return size, []
        name = xtext(letter.message_id[1:-1])
        notify = "SUCCESS,FAILURE,DELAY" if self._section.bounces else "FAILURE,DELAY"
        return [*size, "RET=HDRS", *([f"ENVID={name}"] if len(name) <= _ENVID else [])], [f"NOTIFY={notify}"]

    def _data(self, content: bytes) -> Outcome:
        """DATA, and what became of it. Until the last line has gone out, nobody can have taken it."""
        smtp = self._smtp
        assert smtp is not None
        try:
            code, said = smtp.docmd("DATA")
            if code != 354:
                return self._refused(code, said)
            smtp.send(_DOT.sub(b"..", content))
        except _TROUBLE as error:
            self.close()
            return Outcome("later", 0, _word(error))
        try:
            assert smtp.sock is not None
            smtp.sock.settimeout(_LAST)
            smtp.send(b".\r\n")
            code, said = smtp.getreply()
            smtp.sock.settimeout(_REPLY)
        except _TROUBLE as error:
            self.close()
            return Outcome("uncertain", 0, _word(error))
        outcome = Outcome("sent", code, _detail(said)) if 200 <= code < 300 else _judged(code, said)
        if outcome is None or code == 421:
            self.close()
        return outcome or Outcome("uncertain", 0, "reply")

    def _refused(self, code: int, said: bytes) -> Outcome:
        outcome = _judged(code, said)
        if outcome is None:
            self.close()
            return Outcome("later", 0, "reply")
        self._reset()
        return outcome

    def _reset(self) -> None:
        """Take back what was said of this message, that the next may follow."""
        assert self._smtp is not None
        try:
            _wanted("reset", *self._smtp.docmd("RSET"))
        except (RefusedError, *_TROUBLE):
            self.close()


def xtext(text: str) -> str:
    """As a parameter of MAIL has it (RFC 3461, 4)."""
    return "".join(one if _PLAIN.fullmatch(one) else f"+{ord(one):02X}" for one in text)


def _wanted(stage: str, code: int, said: bytes) -> None:
    if not 200 <= code < 300:
        raise RefusedError(stage, code, said)


def _judged(code: int, said: bytes) -> Outcome | None:
    """What a refusal means; None for a reply that is none."""
    if 400 <= code < 600:
        return Outcome("later" if code < 500 else "refused", code, _detail(said))
    return None


def _detail(said: bytes) -> str:
    match = _STATUS.match(said)
    return match[1].decode() if match else ""


def _word(error: Exception) -> str:
    """What went wrong, without a name or an address in it."""
    if isinstance(error, ssl.SSLCertVerificationError):
        return "certificate"
    if isinstance(error, ssl.SSLError):
        return "tls"
    if isinstance(error, TimeoutError):
        return "timeout"
    return (
        "lost" if isinstance(error, smtplib.SMTPException | ConnectionResetError | BrokenPipeError) else "unreachable"
    )
