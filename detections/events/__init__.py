"""Reading events from the index: all of what is asked for, or an error."""
