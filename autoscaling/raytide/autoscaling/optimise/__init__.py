"""How many replicas of each variant: the cheapest mix for now, over a horizon, under risk, and within a budget."""
