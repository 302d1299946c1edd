"""Records that the engine would refuse, made into ones that it takes."""
