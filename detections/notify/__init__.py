"""Delivers alerts to people: channels, messages, and what was delivered."""
