"""Whether trail files are what CloudTrail delivered: its digests, their signatures and hashes.

Written from "Validating CloudTrail log file integrity" of the AWS CloudTrail user guide.
"""
