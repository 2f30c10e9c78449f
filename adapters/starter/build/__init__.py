"""What makes the starter's weights: not in the wheel, since only `make starter` needs it."""
