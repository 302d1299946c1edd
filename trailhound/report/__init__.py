"""The report: `collect` asks the index, `render` writes it, `compliance` maps it to controls."""
