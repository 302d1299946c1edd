"""Collects a report's content from the index and the alerts."""
