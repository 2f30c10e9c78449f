"""The routes of a server, by whose clients send them."""
