"""What an order comes to: one module for each family of verbs, over the office that holds register and log."""
