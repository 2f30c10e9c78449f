"""The page of a server: adapters, one adapter, trying it, and what is loaded, for the people who decide about them."""
