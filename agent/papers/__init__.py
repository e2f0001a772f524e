"""Papers: what is handed to a customer of his own data, and what the law asks for about the processing."""
