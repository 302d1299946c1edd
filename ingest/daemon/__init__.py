"""The daemon: deliveries in, objects through the pipeline, until it is stopped."""
