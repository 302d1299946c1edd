"""One record in, added fields out. Pure: no network, no cluster, no clock."""
