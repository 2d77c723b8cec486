"""HOW it runs anywhere."""
