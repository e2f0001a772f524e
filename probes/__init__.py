"""The probe door: where facts are asked for, by leave. Nothing is asked yet, so there are no probes."""

PROBES: tuple[str, ...] = ()
