"""TensorFlow and Keras, or one sentence that says how to get them. All modules here import them from this one."""

from __future__ import annotations

import os
import sys

# TensorFlow greets every process with lines about instruction sets; who wants them sets the variable.
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")

try:
    import tensorflow as tf
except ModuleNotFoundError as error:
    raise ModuleNotFoundError(
        "TensorFlow is not installed, and it comes in a build for CPUs (the extra [cpu]) and one for GPUs ([gpu])",
        name="ptycho-contrib-tf[cpu]",
    ) from error

_chosen = os.environ.get("KERAS_BACKEND")
if "keras" not in sys.modules:
    # Keras reads its back-end once, when it is imported, and may find another in the user's settings.
    os.environ["KERAS_BACKEND"] = "tensorflow"
import keras  # noqa: E402

if _chosen is None:
    os.environ.pop("KERAS_BACKEND", None)
else:
    os.environ["KERAS_BACKEND"] = _chosen

if keras.backend.backend() != "tensorflow":
    raise ImportError(
        f"Keras runs on '{keras.backend.backend()}' in this process; set the environment variable "
        "KERAS_BACKEND=tensorflow before anything imports keras"
    )

__all__ = ["keras", "tf"]
