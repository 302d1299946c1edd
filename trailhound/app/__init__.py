"""The composition root: makes enrichers, rules, channels and daemons from settings. The only place
that wires parts together.
"""
