"""`raytide demo`: the whole platform once, on this machine, with real parts."""

from raytide.cli.demo.story import demo

__all__ = ["demo"]
