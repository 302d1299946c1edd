"""Documents into the index: batches, bulk requests, their replies, conflicts, daily indices."""
