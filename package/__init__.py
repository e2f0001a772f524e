"""Builds the Debian package: `make deb`. What can be generated is, from the tables of the program."""
