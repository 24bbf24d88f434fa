"""The training loop, its checkpoints, and how far it has come."""
