"""Files of models: the model file, and exports to other formats."""
