"""What `ptycho new` writes: a complete distribution with one working component, for each kind of plugin."""
