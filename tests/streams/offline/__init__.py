"""Where rows of streams are kept: what survives kills, other writers and lost answers."""
