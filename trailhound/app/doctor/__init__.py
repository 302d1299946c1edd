"""The checks of `trailhound doctor`: settings, machine, sources, cluster, templates, rules."""
