"""A user at Ptychodus's window: every step is a click or a key, and what was seen is told in plain values."""

import configparser
import logging
import time
from pathlib import Path

from ptychodus.controller import ControllerCore
from ptychodus.model import ModelCore
from ptychodus.view import ViewCore
from ptychodus.view.processing import ProcessingActionsView
from PyQt5.QtCore import Qt, QTimer
from PyQt5.QtTest import QTest
from PyQt5.QtWidgets import (
    QApplication,
    QComboBox,
    QDialogButtonBox,
    QFileDialog,
    QLabel,
    QLineEdit,
    QPushButton,
    QWidget,
)

PATIENCE = 200.0
"""Seconds that a training may take."""
TYPED = {
    "Epochs:": "2",
    "Batch Size:": "8",
    "Learning Rate:": "0.002",
    "Loss:": "mae",
    "Seed:": "4",
    "Further Settings:": "generator.width=8 engine.threads=1",
    "Probe Mode:": "0",
}
CHOSEN = {"Gradient Clipper:": "agc", "Stitcher:": "overlap", "Device:": "cpu"}


class Window:
    """The window with a scan loaded; `folder` takes the pictures and all files."""

    def __init__(self, model: ModelCore, folder: Path) -> None:
        self._model, self._folder = model, folder
        self._application = QApplication([])
        self._view = ViewCore(is_developer_mode_enabled=False)
        self._controller = ControllerCore(model, self._view)
        self._monitor = model.processing_core.processing_api.task_monitor
        dataset = model.workflow_api.load_assembled_diffraction_data(folder / "in" / "diffraction.h5")
        model.workflow_api.load_product(folder / "in" / "product.h5", diffraction=dataset)
        self._view.resize(1200, 760)
        self._view.show()
        QTest.mouseClick(self._view.navigation.tool_bar.widgetForAction(self._view.processing_action), Qt.LeftButton)
        self._settle()

    # --- what a user does --------------------------------------------------------------------------------------------

    def type_into(self, label: str, text: str) -> None:
        """The field behind a label, filled by the keyboard."""
        field = self._field(label)
        line = field if isinstance(field, QLineEdit) else field.findChild(QLineEdit)
        line.selectAll()
        QTest.keyClicks(line, text)
        QTest.keyClick(line, Qt.Key_Return)

    def choose(self, label: str, text: str) -> None:
        """An entry of the list behind a label, reached by the arrow keys."""
        field = self._field(label)
        assert isinstance(field, QComboBox)
        way = Qt.Key_Down if field.findText(text) > field.currentIndex() else Qt.Key_Up
        for _ in range(field.count()):
            if field.currentText() == text:
                return
            QTest.keyClick(field, way)
        raise AssertionError(f"{label} offers no {text}")

    def click(self, button: str) -> None:
        """A button by what stands on it."""
        QTest.mouseClick(self._button(button), Qt.LeftButton)

    def click_menu(self, entry: str) -> None:
        """An entry of the menu beside the buttons."""
        (actions,) = self._view.processing_view.findChildren(ProcessingActionsView)
        (found,) = [action for action in actions.actions_menu.actions() if action.text() == entry]
        found.trigger()

    def answer_dialog(self, path: Path) -> None:
        """The dialog that comes next gets a path."""

        def answer() -> None:
            dialog = self._application.activeModalWidget()
            if not isinstance(dialog, QFileDialog):
                QTimer.singleShot(100, answer)
                return
            dialog.findChild(QLineEdit, "fileNameEdit").setText(str(path))
            (button, *_) = dialog.findChild(QDialogButtonBox).buttons()
            QTest.mouseClick(button, Qt.LeftButton)

        QTimer.singleShot(100, answer)

    def wait(self) -> int:
        """Until the work that was begun is over; returns how long the progress bar was."""
        bar, until = self._view.processing_status_view.progress_bar, time.monotonic() + PATIENCE
        goal, begun = 0, False
        while self._monitor.is_processing or not begun:
            assert time.monotonic() < until, "the work does not end"
            begun = begun or self._monitor.is_processing
            self._application.processEvents()
            goal = bar.maximum() if bar.isVisible() else goal
            time.sleep(0.02)
        self._settle()
        return goal

    # --- what a user sees --------------------------------------------------------------------------------------------

    def labels(self) -> list[str]:
        """All that stands in the processing panel."""
        return [label.text() for label in self._view.processing_view.findChildren(QLabel) if label.isVisible()]

    def buttons(self) -> dict[str, bool]:
        """Whether they can be clicked, by what stands on them."""
        (actions,) = self._view.processing_view.findChildren(ProcessingActionsView)
        return {button.text(): button.isEnabled() for button in actions.findChildren(QPushButton)}

    def settings(self) -> dict[str, str]:
        """Our group, as Ptychodus saves it."""
        path = self._folder / "saved.ini"
        self._model.settings_registry.save_settings(path)
        parser = configparser.ConfigParser(interpolation=None)
        parser.read(path)
        return dict(parser["PtychoHost"])

    def said(self) -> str:
        """The log below the plot."""
        return self._view.processing_status_view.text_edit.toPlainText()

    def products(self) -> list[str]:
        """Names of all products."""
        return [item.get_name() for item in self._model.product_core.product_repository]

    def picture(self, name: str) -> None:
        """The window as it looks now."""
        self._view.grab().save(str(self._folder / name))

    # --- how ---------------------------------------------------------------------------------------------------------

    def _field(self, label: str) -> QWidget:
        (found,) = [
            shown.buddy()
            for shown in self._view.processing_view.findChildren(QLabel)
            if shown.isVisible() and shown.text() == label
        ]
        return found

    def _button(self, text: str) -> QPushButton:
        (found,) = [
            button
            for button in self._view.processing_view.findChildren(QPushButton)
            + self._view.processing_status_view.findChildren(QPushButton)
            if button.isVisible() and button.text() == text
        ]
        return found

    def _settle(self) -> None:
        """Ptychodus looks for finished work once a second; here at once."""
        for _ in range(3):
            self._model.run_tasks()
            self._application.processEvents()


def work_at_the_window(folder: Path) -> dict[str, object]:
    """Another algorithm and back, all settings, export, train, infer, stop: in the order of a working day."""
    with ModelCore(folder / "in" / "settings.ini", log_level=logging.INFO) as model:
        window = Window(model, folder)
        seen: dict[str, object] = {
            "reconstructors": [*model.processing_core.processing_api.available_reconstructors()],
            "labels": window.labels(),
        }
        window.choose("Product:", "siemens_star")
        window.choose("Algorithm:", "ptycho-host_fno")
        window.choose("Algorithm:", "ptycho-host_stable_hybrid")
        for label, text in TYPED.items():
            window.type_into(label, text)
        for label, text in CHOSEN.items():
            window.choose(label, text)
        seen["settings"] = window.settings()
        seen["before"] = window.buttons()
        (folder / "training").mkdir()
        for path in (folder / "exported.npz", folder / "training" / "exported.h5"):
            window.answer_dialog(path)
            window.click_menu("Export Training Data...")
        window.answer_dialog(folder / "training")
        window.click("Train")
        seen["epochs"] = window.wait()
        seen["trained"] = window.buttons()
        window.click("Infer")
        window.wait()
        window.picture("window.png")
        seen["products"] = window.products()
        model.workflow_api.get_product(len(window.products()) - 1).save_product(folder / "inferred.h5")
        seen["log"] = window.said()
        return seen
