"""The checklist of `trailhound aws checklist`: its items, the facts, and how they answer."""
