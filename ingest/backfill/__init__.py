"""History: a listing held against the ledger, read by one process or several."""
