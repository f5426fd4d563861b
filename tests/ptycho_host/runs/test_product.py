"""`reconstruction.h5`: what the Ptychodus product layout requires, and where a patch lies by its convention."""

from __future__ import annotations

from dataclasses import replace

import h5py
import numpy as np
import pytest

from ptycho_host.contracts import Reconstruction, Uncertainty
from ptycho_host.data.scan import ExperimentGeometry, Scan
from ptycho_host.errors import DataError
from ptycho_host.physics.patches import extract_patches
from ptycho_host.records import EpochReport
from ptycho_host.runs.product import NOMINAL, read_product, write_product

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


# --- read back -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("geometry", [GEOMETRY, None])
def test_a_product_is_read_back_as_it_was(tmp_path, reconstruction, geometry):
    scan = make_scan(geometry, positions=[(9.123456789, 11.5), (4.0, 26.0)])
    write_product(tmp_path / "p.h5", reconstruction, scan, HISTORY)
    product = read_product(tmp_path / "p.h5")
    np.testing.assert_array_equal(product.object, reconstruction.object)
    np.testing.assert_array_equal(product.probe, scan.probe)
    # Metres and back: double rounding.
    np.testing.assert_allclose(product.positions, scan.positions, atol=1e-12)


def test_what_was_refined_is_written_instead_of_the_scans(tmp_path, reconstruction):
    scan, modes = make_scan(), random_complex(3, N, N, seed=4)
    positions = scan.positions + np.array([0.25, -0.125])
    refined = replace(reconstruction, probe=modes[0], further_modes=modes[1:], positions=positions)
    write_product(tmp_path / "p.h5", refined, scan, HISTORY)
    product = read_product(tmp_path / "p.h5")
    np.testing.assert_array_equal(product.probe, modes[0])
    np.testing.assert_array_equal(product.modes, modes)
    # Metres and back: double rounding.
    np.testing.assert_allclose(product.positions, positions, atol=1e-12)
    with h5py.File(tmp_path / "p.h5") as file:
        np.testing.assert_array_equal(file["probe"][0], modes)
        assert file.attrs["probe_photon_count"] == pytest.approx(np.sum(np.abs(modes) ** 2), rel=1e-6)


def test_a_product_of_ptychodus_with_a_centre_modes_and_double_precision(tmp_path):
    obj, probe = random_complex(1, HEIGHT, WIDTH).astype(complex), random_complex(2, 3, N, N).astype(complex)
    with h5py.File(tmp_path / "p.h5", "w") as file:
        file["object"], file["probe"] = obj, probe
        file["object"].attrs.update(center_x_m=3e-8, center_y_m=-5e-8, pixel_width_m=1e-8, pixel_height_m=2e-8)
        # By ObjectGeometry a position at the object's centre lies at pixel (W - 1) / 2 counted from the first
        # pixel's centre; for us, who count from its edge, that is W / 2.
        file["probe_position_x_m"], file["probe_position_y_m"] = [3e-8, 4e-8], [-5e-8, -1e-8]
    product = read_product(tmp_path / "p.h5")
    np.testing.assert_allclose(
        product.positions, [(HEIGHT / 2, WIDTH / 2), (HEIGHT / 2 + 2, WIDTH / 2 + 1)], atol=1e-12
    )
    np.testing.assert_array_equal(product.object, obj[0].astype(np.complex64))
    np.testing.assert_array_equal(product.probe, probe[0, 0].astype(np.complex64))
    np.testing.assert_array_equal(product.modes, probe[0].astype(np.complex64))


def with_uncertainty(reconstruction):
    maps = [np.linspace(0.01, top, HEIGHT * WIDTH, dtype=np.float32).reshape(HEIGHT, WIDTH) for top in (0.1, 0.3)]
    maps[1][0, 0] = np.nan
    return replace(reconstruction, uncertainty=Uncertainty(*maps))


def test_the_uncertainty_is_read_back_as_it_was_and_none_where_none_was(tmp_path, reconstruction):
    due = with_uncertainty(reconstruction)
    write_product(tmp_path / "p.h5", due, make_scan(), [])
    found = read_product(tmp_path / "p.h5").uncertainty
    np.testing.assert_array_equal(found.amplitude, due.uncertainty.amplitude)
    np.testing.assert_array_equal(found.phase, due.uncertainty.phase)
    with h5py.File(tmp_path / "p.h5") as file:
        assert file["object_phase_uncertainty"].attrs["units"] == "rad"
    write_product(tmp_path / "p.h5", reconstruction, make_scan(), [])
    assert read_product(tmp_path / "p.h5").uncertainty is None


def test_an_uncertainty_of_another_object_is_refused(tmp_path, reconstruction):
    path = tmp_path / "p.h5"
    write_product(path, with_uncertainty(reconstruction), make_scan(), [])
    spoil(path, "object_phase_uncertainty", np.ones((3, 4), np.float32))
    with pytest.raises(DataError, match=r"uncertainties have shapes \(21, 30\) and \(3, 4\), the object \(21, 30\)"):
        read_product(path)
    spoil(path, "object_phase_uncertainty", None)
    with pytest.raises(DataError, match="it has no dataset 'object_phase_uncertainty'"):
        read_product(path)


def test_an_object_that_diverged_is_read_all_the_same(tmp_path):
    diverged = Reconstruction(np.full((HEIGHT, WIDTH), np.nan, np.complex64), np.ones((HEIGHT, WIDTH), np.float32))
    write_product(tmp_path / "p.h5", diverged, make_scan(), [])
    assert np.isnan(read_product(tmp_path / "p.h5").object).all()


def spoil(path, name, content):
    with h5py.File(path, "r+") as file:
        kept = dict(file[name].attrs)
        del file[name]
        if content is not None:
            file[name] = content
            file[name].attrs.update(kept)


@pytest.mark.parametrize(
    ("name", "content", "wrong"),
    [
        ("object", None, "is no product: it has no dataset 'object' (it holds loss_epochs, "),
        ("object", np.ones((1, 4, 4)), "object holds float64 where complex numbers are due"),
        ("object", np.ones((2, 4, 4), complex), "holds an object of 2 layers"),
        ("object", np.ones(4, complex), "object has shape (4,)"),
        ("probe", np.ones(4, complex), "probe has shape (4,)"),
        ("probe_position_x_m", np.array([0.0, np.nan, 0.0, 0.0]), "along x are no lengths"),
        ("probe_position_y_m", np.zeros(3), "holds 3 positions in y and 4 in x"),
    ],
)
def test_what_is_wrong_with_a_product_is_said_in_a_sentence(tmp_path, reconstruction, name, content, wrong):
    path = tmp_path / "p.h5"
    write_product(path, reconstruction, make_scan(), [])
    spoil(path, name, content)
    with pytest.raises(DataError) as caught:
        read_product(path)
    assert str(path) in str(caught.value)
    assert wrong in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_missing_attribute_a_cut_file_and_no_file(tmp_path, reconstruction):
    path = tmp_path / "p.h5"
    write_product(path, reconstruction, make_scan(), [])
    whole = path.read_bytes()
    with h5py.File(path, "r+") as file:
        del file["object"].attrs["pixel_width_m"]
    with pytest.raises(DataError, match="'pixel_width_m' of object is missing or no number; write"):
        read_product(path)
    path.write_bytes(whole[:1000])
    with pytest.raises(DataError, match="cannot be read as HDF5"):
        read_product(path)
    with pytest.raises(DataError, match="there is no file"):
        read_product(tmp_path / "nothing.h5")


def test_an_object_that_the_file_does_not_hold_takes_no_memory(tmp_path, reconstruction):
    path = tmp_path / "p.h5"
    write_product(path, reconstruction, make_scan(), [])
    with h5py.File(path, "r+") as file:
        del file["object"]
        file.create_dataset("object", shape=(1, 10**6, 10**6), dtype=np.complex64, chunks=(1, 64, 64))
    with pytest.raises(DataError, match="claims 8000000000000 bytes that the file does not hold"):
        read_product(path)


@pytest.mark.parametrize("name", ["object", "probe", "probe_position_x_m"])
def test_nothing_outside_the_product_is_read(tmp_path, reconstruction, name):
    path = tmp_path / "p.h5"
    for place in (path, tmp_path / "other.h5"):
        write_product(place, reconstruction, make_scan(), [])
    spoil(path, name, None)
    with h5py.File(path, "r+") as file:
        file[name] = h5py.ExternalLink("other.h5", f"/{name}")
    with pytest.raises(DataError, match=rf"p\.h5: {name} is a link into another file, other\.h5"):
        read_product(path)


def test_a_text_where_a_length_is_due_is_refused(tmp_path, reconstruction):
    path = tmp_path / "p.h5"
    write_product(path, reconstruction, make_scan(), [])
    for text, message in (
        (np.bytes_("long"), "'center_y_m' of object is missing or no number"),
        ("long", "any length"),
    ):
        with h5py.File(path, "r+") as file:
            file["object"].attrs["center_y_m"] = text
        with pytest.raises(DataError, match=message):
            read_product(path)
