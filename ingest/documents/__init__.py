"""From a record to a document: which are wanted, what is added, under which id."""
