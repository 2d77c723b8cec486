"""WHOM it is measured against: a room for each runtime, opened only in a process of its own."""
