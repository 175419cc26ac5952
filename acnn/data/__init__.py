"""Labeled structures: files, label keys, weights, splits, and labels from ASE calculators."""
