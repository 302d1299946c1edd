"""The local engine: its artifacts, its JVM, its node."""
