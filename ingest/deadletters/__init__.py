"""Records that could not be indexed: kept with their reason, and sent again."""
