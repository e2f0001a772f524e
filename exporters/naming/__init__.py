"""The naming table: every family of metrics there is, by its name, and nothing of them is said anywhere else.

Who makes a family (exporters/families.py) takes name, kind, labels and help from here; docs/metrics.md is made from it
(exporters/reference.py). What is not in the table cannot be exported, and a test finds the row that nobody exports. A
new family is a row in a section below, a value in a snapshot (agent/messages.py), and a line where it is yielded.
"""

from __future__ import annotations

from types import MappingProxyType

from exporters.naming.beliefs import BELIEFS
from exporters.naming.family import PREFIX, Family, Section, Values
from exporters.naming.kept import CONFIGURATION, STORE
from exporters.naming.leave import CONSENT, LOG, PROBING
from exporters.naming.seen import CAPTURE
from exporters.naming.single import SINGLE
from exporters.naming.telling import TELLING
from exporters.naming.whole import AGENT, WHOLE

__all__ = ["PREFIX", "SECTIONS", "TABLE", "Family", "Section", "Values"]

SECTIONS = (WHOLE, BELIEFS, SINGLE, CAPTURE, AGENT, CONFIGURATION, STORE, CONSENT, PROBING, LOG, TELLING)
TABLE = MappingProxyType({family.name: family for section in SECTIONS for family in section.families})
