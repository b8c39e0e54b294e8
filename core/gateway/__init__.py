"""How traffic reaches pods, and how we know."""
