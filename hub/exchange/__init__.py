"""Between hubs and other tools: mirrors, and copies in the layouts that others read."""
