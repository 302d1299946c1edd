"""How files get in: sources, reading, indexing, the ledger."""
