"""Monitoring of a running daemon: metrics and health over HTTP."""
