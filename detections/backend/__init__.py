"""Sigma detections as OpenSearch query DSL."""
