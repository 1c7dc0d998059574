"""Write the files that a project starts with; nothing that is there is ever overwritten."""
