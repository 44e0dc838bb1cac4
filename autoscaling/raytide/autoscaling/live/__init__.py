"""The edges on a live cluster: the brain that decides, and the policy that hands its decision to Serve."""
