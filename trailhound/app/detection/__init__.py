"""Rules wired from settings: run over the index, on schedule or over files, tried, and excepted."""
