"""`trailhound aws check`: what is looked at (`collect`), and what it means (`evaluation`)."""
