"""The AWS side: what a trail is worth, how it is set up, watched and checked."""
