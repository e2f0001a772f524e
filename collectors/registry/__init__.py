"""The one-shot role ``import``: what CSV, JSON, NetBox or a snapshot says of customers, as rows for the register."""
