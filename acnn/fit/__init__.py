"""Fits of linear ACE: assembly of the equations, checkpoints, choice of the basis, cross-validation."""
