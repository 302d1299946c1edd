"""CloudTrail's event history (`LookupEvents`): 90 days of management events, window by window."""
