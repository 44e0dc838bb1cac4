"""What stands between clients and engines."""
