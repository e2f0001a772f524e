"""The console: what the daemon knows, as pages for people. Made on the server, without scripts or outside assets."""
