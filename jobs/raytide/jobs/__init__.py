"""The jobs: each is a program that `ray job submit` starts, and a set of pure steps behind it."""
