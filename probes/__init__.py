"""The probe door: where facts are asked for, by leave. A probe is one file and one line here."""

# Name, as records and grants say it, and where the function is.
PROBES: tuple[tuple[str, str], ...] = (("exchange-http", "probes.exchange_http:probe"),)
