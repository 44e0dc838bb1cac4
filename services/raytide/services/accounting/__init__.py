"""Who held the cluster's accelerators, and what that cost: seen on the cluster, kept in the ledger's database, and
attributed without a remainder.
"""
