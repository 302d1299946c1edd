"""Rules run: over a span, over history, on schedule by one of many daemons."""
