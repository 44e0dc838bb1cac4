"""Desired against live: what a declared service must look like on Serve, what differs, and the steps that close it."""
