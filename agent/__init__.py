"""The ground floor: what we know, believe, may do and have done. It has no network."""
