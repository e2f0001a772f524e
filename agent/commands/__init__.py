"""The commands that give the agent an order, or carry it out themselves where no agent is at work."""
