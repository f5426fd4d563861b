"""The reference physics in NumPy, which every tensor library's twin is tested against."""
