"""Reads events from the index: complete results, or an error."""
