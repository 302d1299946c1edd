"""Records that could not be indexed: stored with their reason, and indexed again later."""
