"""Trailhound: ingests CloudTrail files into an enriched index, and runs detection rules on it."""

__version__ = "0.1.0"
