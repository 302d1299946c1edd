"""Sigma correlations: exact sliding windows over candidate groups."""
