"""Several datasets into one: `combining` puts rows of one kind together, `mixing` chat messages by shares."""
