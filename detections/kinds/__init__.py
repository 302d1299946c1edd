"""The kinds of rule that Sigma lacks: first times, anomalies, impossible travel."""
