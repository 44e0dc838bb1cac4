"""Requests that arrived, or that could have: one value, `Trace`, from every file format that `read` knows."""
