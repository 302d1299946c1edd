"""Benchmarks that print ratios of one run: these say more on a noisy machine than any time does."""
