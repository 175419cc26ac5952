"""Training of network and attention models."""
