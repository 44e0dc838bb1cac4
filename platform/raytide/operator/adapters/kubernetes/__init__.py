"""A Kubernetes API server, by its own client."""
