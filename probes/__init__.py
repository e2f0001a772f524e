"""The probe door: where facts are asked for, by leave.

PROBES has every probe there is, by the name that a record permits it under: "module:function", imported when asked.
"""

PROBES: tuple[tuple[str, str], ...] = (("exchange-http", "probes.exchange_http:probe"),)
