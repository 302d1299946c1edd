"""The daemon: deliveries from feeds, read and indexed until it is stopped."""
