"""Saved objects for OpenSearch Dashboards."""
