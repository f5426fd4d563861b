"""What ptycho-example registers; `ptycho` reads it at each start: import nothing heavy."""

from ptycho_host import hookimpl
from ptycho_host.components import Generator

ptycho_api = 1


@hookimpl
def ptycho_generators() -> list[Generator]:
    """The name in `ptycho plugins list`, and where the factory is; its parameters are the options."""
    return [
        Generator(
            "compact_unet",
            backend="torch",
            summary="A small U-Net of plain convolutions that corrects the back-projection.",
            target="ptycho_example.compact_unet:build",
        )
    ]
