"""The shootout: the hybrid networks with all that shall keep them from collapsing, several seeds and depths each.

`study.shootout` runs it.
"""
