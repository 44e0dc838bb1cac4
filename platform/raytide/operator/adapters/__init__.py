"""The edges to the outside: Ray's dashboard, the running service, the processes of a laptop cluster."""
