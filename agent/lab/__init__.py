"""Synthetic traffic and simulated servers, for the demo, the self test, the tests and the benchmarks."""
