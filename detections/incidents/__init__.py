"""Joins alerts into incidents: the alerts about what one intruder did."""
