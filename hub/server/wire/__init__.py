"""The wire: what bodies of requests and answers look like, client by client, and how they mean requests of a registry.

Only shapes are seen to here; what a request may be, the registry's door decides.
"""
