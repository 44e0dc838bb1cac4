"""How many replicas a service needs: pure decisions from what its engines and its gateway report.

`observation` is what was seen, `capacity` what a replica can do, `policy.decide` what follows from both,
`journal` how a decision is written down. Only `live` knows Ray.
"""
