"""Feeds of the daemon: an SQS queue, S3 polling, folder watching."""
