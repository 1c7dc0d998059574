"""Point in time: the rules, the oracle they are checked against, and random cases."""
