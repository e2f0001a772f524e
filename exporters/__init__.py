"""The metrics door: where facts go."""
