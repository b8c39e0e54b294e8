"""The store's own rooms."""
