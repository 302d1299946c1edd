"""Trailhound: CloudTrail files in, an enriched and watched OpenSearch index out."""

__version__ = "0.1.0"
