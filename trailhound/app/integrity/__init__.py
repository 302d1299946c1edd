"""Trail files verified by CloudTrail's digests: on demand, on schedule, before a backfill."""
