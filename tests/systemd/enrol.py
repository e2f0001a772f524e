"""Runs in the machine, as the agent's user while no agent does: puts two customers on record who have agreed."""

from __future__ import annotations

import logging
import sys
import time
from pathlib import Path

sys.path.insert(0, "/opt/knockfirst/src")

from agent.config import load
from agent.lab import leave
from agent.office import Office

config = load("/etc/knockfirst/knockfirst.toml")
office = Office(config, Path("/var/lib/knockfirst"), log=logging.getLogger(), now=time.time, monotonic=time.monotonic)
office.open()
now = time.time()
office.record([
    *leave.published(now), leave.synced(now),
    *leave.agreed("C-1", ["192.0.2.0/28"], now), *leave.agreed("C-2", ["203.0.113.0/28"], now),
])  # fmt: skip
office.close()
