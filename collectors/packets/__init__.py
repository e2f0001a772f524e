"""The packet door: frames in, observations out."""
