"""File formats of scans, one module a format, and what they share: untrusted archives and HDF5 files, conventions."""
