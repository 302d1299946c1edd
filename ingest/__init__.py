"""Ingest: sources, reading, indexing, the ledger."""
