"""Drills: one fault on the cluster that runs, under light load, beside an objective that is stated before it."""
