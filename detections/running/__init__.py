"""Runs rules: over a span, over history, or on schedule in one of many daemons."""
