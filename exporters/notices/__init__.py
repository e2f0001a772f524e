"""What customers are told: the texts, how they are sent, and what machines read."""
