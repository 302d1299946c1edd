"""What a report says, asked of the index and the alerts."""
