"""Repair of records that the engine would reject."""
