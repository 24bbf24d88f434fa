"""Small: the same model in fewer bytes."""
