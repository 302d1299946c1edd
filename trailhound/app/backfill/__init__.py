"""Backfills made from settings, and what they left: unfinished, or seen by no rule."""
