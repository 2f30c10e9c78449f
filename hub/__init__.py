"""Where do adapters live, and how do people and programs use them by name?"""

from hub.hub import Hub, Version
from hub.registry import Analysis, Analyze, Ranked, Recommend, Registry, Write

__all__ = ["Analysis", "Analyze", "Hub", "Ranked", "Recommend", "Registry", "Version", "Write"]
