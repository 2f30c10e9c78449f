"""What may enter a hub, from where, and what is told of it on the way."""
