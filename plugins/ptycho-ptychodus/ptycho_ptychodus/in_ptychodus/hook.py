"""What Ptychodus calls at its start: it makes the library `ptycho-host` known, or says in one line why not.

Ptychodus 1.7 has no registry of reconstructors: `ModelCore` hands a fixed list of libraries to its `ProcessingCore`,
and the controller a fixed list of panels to its `ProcessingController`. Plugins load before either, so both names are
bound to subclasses that add ours to the lists.
"""

from __future__ import annotations

import importlib
import importlib.util
import inspect
import logging
import sys
from collections.abc import Callable
from typing import Any

logger = logging.getLogger("ptycho-host")

MODEL, CONTROLLER = "ptychodus.model.core", "ptychodus.controller.core"


def register_plugins(registry: object) -> None:
    """Add the library and its panel; whatever fails is logged in one line, and Ptychodus starts without them."""
    model = sys.modules.get(MODEL)
    if model is None:
        # Somebody wants only Ptychodus's file readers and writers.
        return
    _attempt("its reconstructors", lambda: _extend(model, "ProcessingCore", "algorithm_libraries", _library))
    headless = any(argument.startswith(("-b", "--b")) for argument in sys.argv[1:])
    if not headless and importlib.util.find_spec("PyQt5") is not None:
        _attempt("its panel", _add_panel)


def _add_panel() -> None:
    controller = importlib.import_module(CONTROLLER)
    _extend(controller, "ProcessingController", "view_controller_factories", _panel)


def _extend(module: Any, name: str, listed: str, addition: Callable[[dict[str, Any]], list[Any]]) -> None:
    """Bind `name` in `module` to a subclass whose argument `listed` has more entries: those that `addition` makes.

    addition: from the other arguments by name. Raises TypeError when the class takes no such argument, as may be in
    another version of Ptychodus.
    """
    stock = getattr(module, name)
    if hasattr(stock, "extended_by_ptycho_host"):
        return
    signature = inspect.signature(stock)
    if listed not in signature.parameters:
        raise TypeError(f"{module.__name__}.{name} takes no '{listed}' in this version of Ptychodus")

    class Extended(stock):  # type: ignore[misc]
        extended_by_ptycho_host = True

        def __init__(self, *arguments: Any, **named: Any) -> None:
            bound = signature.bind(*arguments, **named)
            added = _attempt(f"its part of {name}", lambda: addition(bound.arguments)) or []
            bound.arguments[listed] = [*bound.arguments[listed], *added]
            super().__init__(*bound.args, **bound.kwargs)

    Extended.__name__, Extended.__qualname__ = name, name
    setattr(module, name, Extended)


def _library(arguments: dict[str, Any]) -> list[Any]:
    from ptycho_ptychodus.in_ptychodus.library import HostLibrary

    return [HostLibrary(arguments["settings_registry"])]


def _panel(arguments: dict[str, Any]) -> list[Any]:
    from ptycho_ptychodus.in_ptychodus.library import HostLibrary
    from ptycho_ptychodus.in_ptychodus.panel import ModelWatch, PanelFactory

    algorithm = arguments["algorithm_parameter"]
    ModelWatch(algorithm, arguments["processing_api"].task_monitor)
    # Nothing public leads from the controller's arguments to the libraries.
    libraries = algorithm._libraries
    return [PanelFactory(library) for library in libraries if isinstance(library, HostLibrary)]


def _attempt(what: str, action: Callable[[], Any]) -> Any:
    try:
        return action()
    except Exception as error:  # noqa: BLE001 - a plugin of Ptychodus may not keep it from starting
        reason = " ".join(str(error).split()) or type(error).__name__
        logger.warning("ptycho-host: %s cannot be added to Ptychodus: %s", what, reason)
        return None
