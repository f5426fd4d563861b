"""The grid-lines study: lines objects on rasters, several networks trained on the same patterns and judged alike.

`study.grid_lines` runs it.
"""
