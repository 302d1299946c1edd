"""The report: `collect` queries the index, `render` writes it, `compliance` maps it to controls."""
