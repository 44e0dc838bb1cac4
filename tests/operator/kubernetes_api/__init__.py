"""A Kubernetes API server as far as the operator meets one, in memory or over HTTP.

It keeps versions, owners of fields and a log of changes, and refuses what the real one refuses. Lists are owned as a
whole, as they are in custom resources and in the lists of built-in kinds that raytide renders.
"""
