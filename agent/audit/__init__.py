"""What was done, in a log that nobody can change unseen, and of which each customer can check his own part."""
