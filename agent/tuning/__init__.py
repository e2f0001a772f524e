"""For the engineer at the machine: where frames get lost in the running daemon, and which key helps (doctor, top)."""
