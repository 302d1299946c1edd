"""OpenSearch: client and authentication, index templates, the local engine."""
