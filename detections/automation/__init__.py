"""Known automation: calls of roles from networks that are usual in the account's history."""
