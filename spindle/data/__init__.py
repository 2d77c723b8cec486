"""WHAT it sees."""
