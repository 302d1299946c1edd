"""From an alert to the whole story: sessions and their people, time lines, hunts, paths."""
