"""What a run leaves on disk: directory, bundle, checkpoints, history, provenance, product."""
