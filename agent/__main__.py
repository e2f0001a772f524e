"""The command table: a command's name -> ``module:function``, imported only when it is used.

Every function takes the arguments after the command's name and returns the exit code.
"""

from __future__ import annotations

import sys
from importlib import import_module

COMMANDS = {
    "replay": ("collectors.replay:main", "read capture files and say which addresses run Exchange"),
    "assess": ("agent.exchange.assess_command:main", "say what is known of one Exchange build"),
    "fingerprints": ("agent.exchange.book_commands:main", "list, show, match and test the fingerprint book"),
    "demo": ("agent.lab.demo:main", "generate an edge capture and run the whole line on it"),
    "run": ("agent.run:main", "run the daemon"),
    "role": ("agent.role:main", "be one role of the daemon, as systemd starts it"),
    "selftest": ("agent.lab.selftest:main", "send synthetic handshakes through the live line and show each stage"),
    "capture": ("collectors.capture_command:main", "look at interfaces without an agent, and print what is observed"),
    "capture-filter": ("collectors.filter_command:main", "print the program that the kernel runs on every frame"),
    "doctor": ("agent.tuning.doctor:main", "say at which stage the running daemon loses, and what helps"),
    "top": ("agent.tuning.top:main", "show what the running daemon does, each second anew"),
    "probing": ("agent.commands.probing:main", "make probing.txt, and look whether it is published"),
    "import": ("collectors.registry.command:main", "take customers, prefixes and consent from CSV, JSON or NetBox"),
    "consent": ("agent.commands.consent:main", "the register: who was told, who agreed to what, who said no"),
    "customer": ("agent.commands.customer:main", "give a customer all that is held of him, or erase him"),
    "documents": ("agent.commands.documents:main", "the record of processing and a DPIA, from the configuration"),
    "audit": ("agent.commands.audit:main", "see that the log is whole, hand a customer his part of it, export it"),
    "probe": ("agent.commands.probe:main", "knock at one server now, or say what would be sent; list what was done"),
    "cases": ("agent.commands.cases:main", "what was found at customers, what was said, what waits for a person"),
    "notices": ("exporters.notices.commands:main", "see what a customer is told, before he is; export findings"),
    "report": ("agent.commands.report:main", "write the week of the abuse desk, without addresses and names"),
    "servers": ("agent.commands.servers:main", "list the servers behind a number, or whose pseudonym this is"),
    "kill-switch": ("agent.commands.kill_switch:main", "stop every probe, at once"),
    "check-config": ("agent.config_commands:check_main", "check a configuration file"),
    "dump-config": ("agent.config_commands:dump_main", "print the configuration in effect, with its defaults"),
}


def usage() -> str:
    rows = "\n".join(f"  {name:14} {what}" for name, (_, what) in COMMANDS.items())
    more = "`knockfirst COMMAND --help` says more. `--version` prints the version."
    return f"usage: knockfirst COMMAND [ARGUMENT ...]\n\n{rows}\n\n{more}\n"


def main(argv: list[str] | None = None) -> int:
    try:
        code = _main(sys.argv[1:] if argv is None else argv)
        # What is still in the buffer finds out here whether anybody reads it, and not when the interpreter ends.
        if sys.stdout:  # there is none where its descriptor was closed before the start
            sys.stdout.flush()
    except BrokenPipeError:
        _discard_output()
        return 141
    return code


def _main(words: list[str]) -> int:
    if not words or words[0] in ("-h", "--help", "help"):
        (sys.stdout if words else sys.stderr).write(usage())
        return 0 if words else 2
    if words[0] == "--version":
        from importlib.metadata import version

        print(f"knockfirst {version('knockfirst')}")
        return 0
    if words[0] not in COMMANDS:
        sys.stderr.write(f"knockfirst: no command {words[0]!r}\n{usage()}")
        return 2
    return _run(words[0], words[1:])


def _run(command: str, words: list[str]) -> int:
    from agent.errors import ConfigError

    module, _, function = COMMANDS[command][0].partition(":")
    try:
        code: int = getattr(import_module(module), function)(words)
        return code
    except ConfigError as error:
        sys.stderr.write(f"knockfirst {command}: {error}\n")
        return error.exit_code
    except KeyboardInterrupt:
        return 130


def _discard_output() -> None:
    """The reader of our output has gone; keep the interpreter from complaining of it once more when it ends."""
    import os

    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


if __name__ == "__main__":
    sys.exit(main())
