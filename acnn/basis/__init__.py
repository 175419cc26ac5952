"""The ACE basis: specification, radial and angular functions, products, coupling and derivatives."""
