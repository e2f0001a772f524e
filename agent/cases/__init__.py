"""What happens with what was found: cases, who is told of them and when, and the store that keeps them."""
