"""The composition root: settings become enrichers, rules, channels and daemons. Only here parts
are wired.
"""
