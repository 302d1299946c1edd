"""The daemon of `trailhound run`: its service, the jobs that one daemon runs for all, its log."""
