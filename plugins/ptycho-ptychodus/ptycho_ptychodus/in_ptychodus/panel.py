"""The panel of our settings in Ptychodus's window, one a generator."""

from __future__ import annotations

from ptychodus.api.observer import Observable, Observer
from ptychodus.controller.parameters import ParameterViewBuilder
from ptychodus.controller.processing import ReconstructorViewControllerFactory
from ptychodus.model.processing import ProcessingAlgorithmParameter, ProcessingTaskMonitor
from PyQt5.QtWidgets import QWidget

from ptycho_host import Host
from ptycho_ptychodus.in_ptychodus.library import HostLibrary, HostReconstructor

DEVICES = ("auto", "cpu", "cuda")
SUITING = "0: what suits the generator"


class ModelWatch(Observer):  # type: ignore[misc]
    """Lets the window see, when work ends, that a model has been trained.

    Ptychodus itself looks for one only when another algorithm is chosen: until then *Infer* could not be clicked.
    """

    def __init__(self, algorithm: ProcessingAlgorithmParameter, monitor: ProcessingTaskMonitor) -> None:
        super().__init__()
        self._algorithm = algorithm
        self._monitor = monitor
        monitor.add_observer(self)

    def _update(self, observable: Observable) -> None:
        ours = isinstance(self._algorithm.get_current_reconstructor(), HostReconstructor)
        if ours and not self._monitor.is_processing:
            self._algorithm.notify_observers()


class PanelFactory(ReconstructorViewControllerFactory):  # type: ignore[misc]
    """Makes the panel that Ptychodus shows for each reconstructor of `library`."""

    def __init__(self, library: HostLibrary) -> None:
        super().__init__()
        self._library = library

    @property
    def name(self) -> str:
        """That of the library."""
        return str(self._library.name)

    def create_view_controller(self, reconstructor_name: str) -> QWidget:
        """Settings in the order in which they are needed; what is chosen by name is offered as a list."""
        settings, view, host = self._library.settings, ParameterViewBuilder(), Host.discover()
        names = {kind: sorted({entry.component.name for entry in host.registrations(kind)}) for kind in _CHOSEN}
        training, prediction, data = "Training", "Training and Inference", "Data"
        view.add_spin_box(settings.epochs, "Epochs:", group=training)
        view.add_spin_box(settings.batch_size, "Batch Size:", tool_tip=SUITING, group=training)
        view.add_decimal_line_edit(settings.learning_rate, "Learning Rate:", tool_tip=SUITING, group=training)
        view.add_line_edit(
            settings.loss,
            "Loss:",
            tool_tip=f"{', '.join(names['loss'])}; or a sum such as mae+0.1*tv",
            group=training,
        )
        view.add_combo_box(settings.clip, names["clipper"], "Gradient Clipper:", group=training)
        view.add_spin_box(settings.seed, "Seed:", group=training)
        view.add_line_edit(
            settings.further_settings,
            "Further Settings:",
            tool_tip="KEY=VALUE as for 'ptycho train --set', such as generator.width=48 train.time_limit=300",
            group=training,
        )
        view.add_combo_box(settings.stitch, names["stitcher"], "Stitcher:", group=prediction)
        view.add_combo_box(settings.device, DEVICES, "Device:", group=prediction)
        view.add_spin_box(
            settings.probe_mode, "Probe Mode:", tool_tip="the one mode that is used, counted from 0", group=data
        )
        return view.build_widget()


_CHOSEN = ("loss", "clipper", "stitcher")
