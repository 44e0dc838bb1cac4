"""A fleet that serves a trace, iteration by iteration, under the same `decide` that runs live."""
