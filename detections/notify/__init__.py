"""Alerts put before people: channels, what is written to them, and what was delivered."""
