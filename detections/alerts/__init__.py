"""Findings become alerts: one for each, however often and by however many it is found."""
