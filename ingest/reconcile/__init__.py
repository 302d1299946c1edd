"""Reconciliation: what a source holds, compared with the ledger and the index, and its repair."""
