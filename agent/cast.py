"""The roles that there are, in the order in which they start, and the doors at which they come to the agent."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from agent.sections import Config


class Role(NamedTuple):
    """A role: its name, the module that is it, and the door by which it reaches the agent ("" for the agent)."""

    name: str
    module: str
    door: str


# The agent is first: nobody can be connected to a door behind which nobody is.
ROLES = (
    Role("agent", "agent.serving", ""),
    Role("exporter", "exporters.service", "exporter"),
    Role("prober", "probes.service", "prober"),
    Role("notifier", "exporters.notices.service", "notifier"),
    Role("capture", "collectors.service", "capture"),
)
AGENT, EXPORTER, PROBER, NOTIFIER, CAPTURE = ROLES
DOORS = ("capture", "exporter", "prober", "notifier", "control")


def cast(config: Config) -> list[Role]:
    """The roles that a configuration asks for, in the order in which they start."""
    workers = [CAPTURE] * config.capture.workers
    wanted = [*([PROBER] if config.probe.armed else []), *([NOTIFIER] if config.notices.relay else [])]
    return [AGENT, EXPORTER, *wanted, *workers]
