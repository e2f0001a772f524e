"""What facts are called in Dutch and English: one row for each, so that neither language can lack one."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

LANGUAGES = ("nl", "en")

Words = tuple[str, str]  # in Dutch, in English

MONTHS: tuple[Words, ...] = (
    ("januari", "January"),
    ("februari", "February"),
    ("maart", "March"),
    ("april", "April"),
    ("mei", "May"),
    ("juni", "June"),
    ("juli", "July"),
    ("augustus", "August"),
    ("september", "September"),
    ("oktober", "October"),
    ("november", "November"),
    ("december", "December"),
)

# Every kind of observation (agent.model.KINDS); several are the same to who has no use for the difference.
_GREETING = ("de begroeting van de mailserver", "the greeting of the mail server")
_MAILBOX = ("de begroeting voor mailprogramma's", "the greeting for mail programs")
_WEB = ("het antwoord van de webserver", "the answer of the web server")
_TLS = ("het begin van de versleutelde verbinding", "the start of the encrypted connection")
_NAME = (
    "de naam in de openbare adreslijst van het internet (DNS)",
    "the name in the internet's public directory (DNS)",
)
SIGNS: Mapping[str, Words] = {
    **dict.fromkeys(("smtp.greeting", "smtp.ehlo", "smtp.help", "smtp.reply", "smtp.hostname"), _GREETING),
    **dict.fromkeys(("imap.greeting", "imap.capability", "pop3.greeting", "pop3.capability"), _MAILBOX),
    **dict.fromkeys(("http.status", "http.server", "http.header"), _WEB),
    "html.title": ("de aanmeldpagina van de webmail", "the sign-in page of the web mail"),
    "ntlm.version": ("de versie van Windows in het antwoord", "the version of Windows in the answer"),
    **dict.fromkeys(("tls.sni", "tls.server_hello"), _TLS),
    "tls.certificate": ("het certificaat van de server", "the certificate of the server"),
    **dict.fromkeys(("dns.autodiscover", "dns.mx", "dns.srv"), _NAME),
    "tcp.synack": ("het opzetten van de verbinding", "the way the connection is set up"),
}

# How sure it is (agent.model.Verdict).
CONFIDENCE: Mapping[str, Words] = {
    "confirmed": ("zo goed als zeker", "as good as certain"),
    "probable": ("waarschijnlijk", "probable"),
    "suspected": ("een vermoeden", "a suspicion"),
}
UNSURE: Words = ("niet bekend", "not known")

SEVERITY: Mapping[str, Words] = {"critical": ("zeer ernstig", "very serious"), "high": ("ernstig", "serious")}

# What the catalogue says has to be set beside the build (agent.exchange.known.Flaw.config).
SETTINGS: Mapping[str, Words] = {
    "run setup /PrepareAllDomains": (
        "het installatieprogramma is uitgevoerd met /PrepareAllDomains",
        "the setup program was run with /PrepareAllDomains",
    ),
    "extend the AD schema (setup /PrepareSchema)": (
        "het installatieprogramma is uitgevoerd met /PrepareSchema",
        "the setup program was run with /PrepareSchema",
    ),
    "hybrid only: use the dedicated hybrid app": (
        "de koppeling met Exchange Online, als u die hebt, de eigen hybride app (dedicated hybrid app) gebruikt",
        "the link with Exchange Online, if you have one, uses the dedicated hybrid app",
    ),
    "set up Download Domains": ("Download Domains is ingesteld", "Download Domains is set up"),
    "switch on Extended Protection": ("Extended Protection aanstaat", "Extended Protection is switched on"),
    "remove the IIS TokenCacheModule, or update Windows": (
        "de TokenCacheModule uit IIS is verwijderd, of Windows is bijgewerkt",
        "the TokenCacheModule is removed from IIS, or Windows is up to date",
    ),
    "remove DisableLoopbackCheck from the registry": (
        "DisableLoopbackCheck uit het register is verwijderd",
        "DisableLoopbackCheck is removed from the registry",
    ),
    "keep signing of serialized data switched on": (
        "het ondertekenen van geserialiseerde gegevens (serialized data signing) aanstaat",
        "signing of serialized data is switched on",
    ),
}
SETTING: Words = (
    "ook de instelling klopt die Microsoft erbij noemt",
    "the setting that Microsoft names with it is right, too",
)

# What the customer may answer (agent.notice.ACTIONS), in this order.
ANSWERS: Mapping[str, Words] = {
    "agree": ("Ik ga akkoord", "I agree"),
    "fixed": ("Het is opgelost", "It is fixed"),
    "recheck": ("Controleer de server opnieuw", "Check the server again"),
    "wrong_contact": ("Ik ben niet de juiste persoon", "I am not the right person"),
    "not_ours": ("Deze server is niet van ons", "This server is not ours"),
    "wont_fix": ("Wij lossen dit niet op", "We will not fix this"),
    "stop": ("Stop met deze controles", "Stop these checks"),
}

NOUNS: Mapping[str, Words] = {
    "server": ("een Microsoft Exchange-server (mailserver)", "a Microsoft Exchange server (mail server)"),
    "and": ("en", "and"),
    "at": ("om", "at"),
}


LETTER: Mapping[str, Words] = {
    "customer": ("Klantnummer", "Customer number"),
    "case": ("Zaak", "Case"),
    "day": ("Datum", "Date"),
    "page": ("bladzijde {page} van {of}", "page {page} of {of}"),
}


def of(pair: Words, lang: str) -> str:
    return pair[LANGUAGES.index(lang)]


def listed(items: list[str], lang: str) -> str:
    """``a, b and c``; "" for none."""
    if len(items) < 2:
        return "".join(items)
    return f"{', '.join(items[:-1])} {of(NOUNS['and'], lang)} {items[-1]}"


def day(iso: str, lang: str) -> str:
    """``24 november 2026``; "" stays "". ``iso``: a day."""
    if not iso:
        return ""
    year, month, number = iso.split("-")
    names = MONTHS[int(month) - 1] if 1 <= int(month) <= 12 else (month, month)
    return f"{int(number)} {of(names, lang)} {year}"


def number(value: float, lang: str) -> str:
    """A number with one decimal, as it is written there."""
    return f"{value:.1f}".replace(".", "," if lang == "nl" else ".")
