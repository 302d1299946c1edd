"""Joins alerts into incidents: what one intruder did, as far as the alerts show it."""
