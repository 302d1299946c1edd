"""Benchmarks that print ratios of one run: on a noisy machine these say more than times."""
