"""A Ray cluster of one node on this machine, started and ended without touching any other."""
