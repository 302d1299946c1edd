"""Records findings as alerts: one for each, however often and by however many it is found."""
