"""Dashboards, rules and provisioning files for who watches routers with Grafana and Prometheus. Not in the wheel."""
