"""Keeping a hub sound: looking for damage, mending it, and taking away what nobody needs."""
