"""`reconstruction.h5`: what the Ptychodus product layout requires, and where a patch lies by its convention."""

from __future__ import annotations

import h5py
import numpy as np
import pytest

from ptycho_host.contracts import Reconstruction
from ptycho_host.data.scan import ExperimentGeometry, Scan
from ptycho_host.physics.patches import extract_patches
from ptycho_host.records import EpochReport
from ptycho_host.runs.product import NOMINAL, write_product

N, HEIGHT, WIDTH = 8, 21, 30
GEOMETRY = ExperimentGeometry(object_pixel_m=(1.5e-8, 1.25e-8), photon_energy_ev=8.3e3, detector_distance_m=1.9)
HISTORY = [EpochReport(epoch, 1 / epoch, None, 1e-3, 1.0, 0.0, 1.0, 1.0, False) for epoch in (1, 2, 3)]


def random_complex(*shape, seed=0):
    rng = np.random.default_rng(seed)
    return (rng.normal(size=shape) + 1j * rng.normal(size=shape)).astype(np.complex64)


def make_scan(geometry=GEOMETRY, positions=((9.0, 11.0), (4.0, 26.0), (17.0, 4.0), (10.0, 12.0)), name="Sternchen ☆"):
    positions = np.array(positions)
    return Scan(
        np.ones((len(positions), N, N), np.float32), positions, random_complex(N, N), None, None, name, geometry
    )


@pytest.fixture
def reconstruction():
    return Reconstruction(random_complex(HEIGHT, WIDTH, seed=1), np.ones((HEIGHT, WIDTH), dtype=np.float32))


@pytest.fixture
def product(tmp_path, reconstruction):
    write_product(tmp_path / "reconstruction.h5", reconstruction, make_scan(), HISTORY)
    with h5py.File(tmp_path / "reconstruction.h5") as file:
        yield file


def test_the_datasets_of_the_layout(product, reconstruction):
    scan = make_scan()
    expected = {
        "object": (np.complex64, (1, HEIGHT, WIDTH)),
        "probe": (np.complex64, (1, 1, N, N)),
        "object_layer_spacing_m": (np.float64, (0,)),
        "probe_position_indexes": (np.int64, (4,)),
        "probe_position_x_m": (np.float64, (4,)),
        "probe_position_y_m": (np.float64, (4,)),
        "loss_epochs": (np.int64, (3,)),
        "loss_values": (np.float64, (3,)),
    }
    assert {name: (item.dtype, item.shape) for name, item in product.items()} == expected
    assert all(item.compression is None for item in product.values())
    np.testing.assert_array_equal(product["object"][0], reconstruction.object)
    np.testing.assert_array_equal(product["probe"][0, 0], scan.probe)
    np.testing.assert_array_equal(product["probe_position_indexes"], [0, 1, 2, 3])
    np.testing.assert_array_equal(product["loss_epochs"], [1, 2, 3])
    np.testing.assert_array_equal(product["loss_values"], [1, 1 / 2, 1 / 3])


def test_the_attributes_of_the_layout(product):
    numbers = {
        "detector_object_distance_m": 1.9,
        "photon_energy_eV": 8.3e3,
        "probe_photon_count": np.sum(np.abs(make_scan().probe.astype(complex)) ** 2),
        "exposure_time_s": 0,
        "mass_attenuation_m2_per_kg": 0,
        "tomography_angle_deg": 0,
    }
    for name, value in numbers.items():
        assert product.attrs[name].dtype == np.float64
        assert product.attrs[name] == pytest.approx(value, rel=1e-12)
    assert dict(product["object"].attrs) == {
        "center_x_m": 0, "center_y_m": 0, "pixel_width_m": 1.25e-8, "pixel_height_m": 1.5e-8,
    }  # fmt: skip
    assert dict(product["probe"].attrs) == {"pixel_width_m": 1.25e-8, "pixel_height_m": 1.5e-8}
    assert all(value.dtype == np.float64 for image in ("object", "probe") for value in product[image].attrs.values())


def test_strings_are_of_variable_length_in_utf_8(product):
    for name, words in (("name", "Sternchen ☆"), ("comments", "reconstructed by ptycho-host")):
        stored = h5py.check_string_dtype(product.attrs.get_id(name).dtype)
        assert (stored.encoding, stored.length) == ("utf-8", None)
        assert isinstance(product.attrs[name], str)
        assert words in product.attrs[name]


def test_a_patch_cut_by_the_convention_of_ptychodus_is_ours(product, reconstruction):
    stored, image = product["object"], product["object"][0]
    x_px = (product["probe_position_x_m"][:] - stored.attrs["center_x_m"]) / stored.attrs["pixel_width_m"]
    y_px = (product["probe_position_y_m"][:] - stored.attrs["center_y_m"]) / stored.attrs["pixel_height_m"]
    # ObjectGeometry counts from the centre of the first pixel; the patch's centre lies at its pixel (N - 1) / 2.
    left = x_px + (WIDTH - 1) / 2 - (N - 1) / 2
    top = y_px + (HEIGHT - 1) / 2 - (N - 1) / 2
    scan = make_scan()
    ours = extract_patches(reconstruction.object, scan.positions, N)
    for patch, y, x in zip(ours, top, left, strict=True):
        # Metres and back: double rounding.
        assert [y, x] == pytest.approx([round(y), round(x)], abs=1e-9)
        np.testing.assert_array_equal(image[round(y) : round(y) + N, round(x) : round(x) + N], patch)


def test_sub_pixel_positions_are_kept(tmp_path, reconstruction):
    scan = make_scan(positions=[(9.123456789, 11.5)])
    write_product(tmp_path / "p.h5", reconstruction, scan, [])
    with h5py.File(tmp_path / "p.h5") as file:
        assert file["probe_position_y_m"][0] / 1.5e-8 + HEIGHT / 2 == pytest.approx(9.123456789, abs=1e-12)
        assert file["loss_epochs"].shape == file["loss_values"].shape == (0,)


def test_without_metres_nominal_ones_are_written_and_owned_up_to(tmp_path, product, reconstruction):
    assert "nominal" not in product.attrs["comments"]
    write_product(tmp_path / "p.h5", reconstruction, make_scan(geometry=None), HISTORY)
    with h5py.File(tmp_path / "p.h5") as file:
        assert "The input has no metres" in file.attrs["comments"]
        assert file["object"].attrs["pixel_width_m"] == NOMINAL.object_pixel_m[1] > 0
        assert file.attrs["photon_energy_eV"] == NOMINAL.photon_energy_ev > 0
