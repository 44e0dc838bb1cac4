"""What accelerators cost, and whom: the account in the ledger's database, grouped, looked ahead, and read for waste."""
