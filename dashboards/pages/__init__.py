"""The dashboards that Trailhound ships, one a module."""
