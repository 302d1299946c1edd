"""What people look up: events, alerts' paths, the ledger, dead letters, and counts of an index."""
