"""How do people lay out their data?  A room for each form, and what they share."""
