"""WHAT a network is."""
