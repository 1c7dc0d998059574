"""What each column and the rows of a SELECT are made of: so that two versions of a model can be compared."""
