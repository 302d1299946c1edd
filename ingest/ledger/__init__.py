"""The ledger of objects: who reads each, and what became of it."""
