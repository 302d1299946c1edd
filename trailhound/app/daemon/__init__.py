"""The daemon of `trailhound run`.

`service` wires it; beside it are what runs (`running`), how new settings get there (`reloading`),
what the daemon says of itself (`own_health`, `status_document`, `logs`), and the jobs that one
daemon runs for all (`scheduled_jobs`).
"""
