"""The two scopes and what they are made of: regions, preprocessing, batches, postprocessing, the state of an object."""
