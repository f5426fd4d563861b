"""Steps that make another scan of a scan: detector, probe, bad pixels, selection. Patterns are changed when read."""
