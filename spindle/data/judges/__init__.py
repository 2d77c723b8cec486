"""Who judges a model?  A judge for each task, by the official measures."""
