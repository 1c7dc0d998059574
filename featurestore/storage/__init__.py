"""Where files go: folders of this machine, and object stores; whole or not at all."""
