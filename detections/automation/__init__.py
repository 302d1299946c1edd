"""Known automation: calls of roles from networks that the account's own history excuses."""
