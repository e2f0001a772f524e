"""The error families, by whose fault it is.

``Malformed`` is the peer's, ``ConfigError`` the operator's. Anything else that is raised is ours: it is counted in a
running service and raised in tests.
"""


class Malformed(Exception):  # noqa: N818 - it is not ours
    """The peer sent bytes that its protocol does not allow. Counted, sampled in logs, never fatal."""


class ConfigError(Exception):
    """The operator gave something that cannot be used; the text names file and key and says what would be right."""

    exit_code = 78  # EX_CONFIG of sysexits.h


class InputError(ConfigError):
    """An argument or an input file that cannot be used; the text names it."""

    exit_code = 2


class UnavailableError(ConfigError):
    """Who was to answer is not there, or does not answer; the text says who and where it was looked for."""

    exit_code = 69  # EX_UNAVAILABLE of sysexits.h


class FailedError(ConfigError):
    """The daemon failed at what it was asked, by a fault of ours; its log says where."""

    exit_code = 70  # EX_SOFTWARE of sysexits.h
