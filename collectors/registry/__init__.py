"""What comes from the operator: his books, his NetBox, his web server. Each by a command that ends."""
