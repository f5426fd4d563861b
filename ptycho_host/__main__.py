"""`python -m ptycho_host` is `ptycho`."""

from ptycho_host.cli.app import main

main()
