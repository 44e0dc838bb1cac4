"""How many replicas of which variant a service needs: pure decisions from what its engines and its gateway report.

`observation` is what was seen, `terms` what is declared, `performance` what a replica can do, `forecast` what will be
asked of it, `optimise` which mix is cheapest, `policy` what follows from all of them, `journal` how a decision is
written down and replayed. `simulate` plays a policy against a trace and judges it beside its peers; `live` runs the
same policy on a cluster, and only it knows Ray. `declared` is where both take a service's terms from.
"""
