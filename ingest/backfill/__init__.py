"""Backfill: a listing compared with the ledger, read by one process or several."""
