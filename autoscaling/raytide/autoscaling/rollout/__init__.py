"""A new revision takes traffic step by step, and is judged against the stable one at every moment of it."""
