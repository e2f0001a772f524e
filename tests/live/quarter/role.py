"""The notifier role as it is, but that it looks for bounces as often as a story needs whose days take a second."""

from __future__ import annotations

import sys

from exporters.notices import bounces, service

if __name__ == "__main__":
    bounces._GAP = 0.1
    sys.exit(service.main(sys.argv[1:]))
