"""Bad input ends with exit code 2 and one sentence that names the place and the remedy, before anything is written."""

from __future__ import annotations

import zipfile

import numpy as np
import pytest

PIXELS, COUNT = 16, 4


@pytest.fixture
def arrays():
    """A scan that is good: four patterns of 16 x 16 pixels on an object of 32 x 32."""
    rng = np.random.default_rng(0)
    return {
        "diff3d": rng.uniform(1, 9, (COUNT, PIXELS, PIXELS)).astype(np.float32),
        "xcoords": np.array([8.0, 12.0, 16.0, 24.0]),
        "ycoords": np.array([8.0, 12.0, 16.0, 24.0]),
        "probeGuess": np.ones((PIXELS, PIXELS), np.complex64),
        "objectGuess": np.ones((32, 32), np.complex64),
    }


@pytest.fixture
def scan(arrays, tmp_path):
    """Write the scan to a file, with some arrays replaced, or left out where they are None."""

    def write(name="scan.npz", **changes):
        content = {key: array for key, array in {**arrays, **changes}.items() if array is not None}
        np.savez(tmp_path / name, **content)
        return name

    return write


def changed(array, index, value):
    copy = array.copy()
    copy[index] = value
    return copy


# --- the command line itself -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["trian"], "there is no command 'trian'. Did you mean 'train'? Commands: 'train', 'reconstruct',"),
        (["train", "--data", "a.npz", "--simulate", "lines"], "--data and --simulate exclude each other"),
        (["train", "--data", "siemens_star", "--probe-from", "a.npz"], "--probe-from is for simulated scans"),
        (["train", "--simulate", "lines", "--set", "data.source=a.npz"], "data.source is 'a.npz'; drop one of them"),
        (["train", "--data", "missing.npz"], "there is no file or data set 'missing.npz'"),
        (["train", "--data", "siemens_str"], "Did you mean 'siemens_star'?"),
        (["train", "--test-data", "missing.npz", "--data", "siemens_star"], "no file or data set 'missing.npz'"),
        (["train", "missing.toml"], "there is no configuration file missing.toml; check the path"),
        (["train", "--seed", "-1"], "option 'seed' of the run configuration: input should be greater than or equal to"),
        (["train", "--epochs", "0"], "option 'train.epochs'"),
        (["train", "--batch-size", "0"], "option 'train.batch_size'"),
        (["train", "--set", "generator.width"], "--set takes KEY=VALUE such as generator.width=48"),
        (["train", "--set", "generater.width=3"], "Did you mean 'generator'?"),
        (["train", "--set", "train.epoch=3"], "Did you mean 'train.epochs'?"),
        (["train", "--set", "generator.widht=3"], "Did you mean 'width'?"),
        (["train", "--set", "generator.width=-3"], "option 'width' of generator 'unrolled'"),
        (["train", "--set", "simulator.scan.stpe=3"], "Did you mean 'scan.step'?"),
        (["train", "--generator", "stable_hybird"], "Did you mean 'stable_hybrid'?"),
        (["train", "--loss", "mae+"], "is not a term; write a sum such as mae+0.1*tv"),
        (["train", "--loss", "mae+0.1*tw"], "no loss named 'tw' is installed"),
        (["train", "--clip", "ago"], "Did you mean 'agc'?"),
        (["train", "--stitch", "synchronized"], "Did you mean 'synchronised'?"),
        (["train", "--backend", "jax"], "there is no engine for back-end 'jax'"),
        (["train", "--loss", "object_mae", "--data", "siemens_star"], "does not have; choose an unsupervised loss"),
        (["train", "--resume", "nowhere"], "nowhere is not a run directory"),
        (["train", "--resume", "nowhere", "--out", "elsewhere"], "drop --out"),
        (["train", "--accept-changes"], "add --resume RUN"),
        (["train", "x.toml", "--resume", "nowhere"], "there is no configuration file x.toml"),
        (["reconstruct", "nowhere", "siemens_star", "--out", "o.h5"], "nowhere is not a run directory"),
        (["reconstruct", "nowhere", "siemens_star", "--out", "o.npz"], "choose a name that ends in .h5"),
        (["simulate", "line", "s.npz"], "Did you mean 'lines'?"),
        (["simulate", "lines", "s.tif", "--set", "size=64"], "no writer for '.tif'; choose a name that ends in '.cxi'"),
        (["simulate", "lines", "s.npz", "--set", "sise=64"], "Did you mean 'size'?"),
        (["simulate", "lines", "s.npz", "--set", "=64"], "--set takes KEY=VALUE"),
        (["simulate", "lines", "s.npz", "--set", "name=image"], "contradicts the simulator named first"),
        (["simulate", "lines", "s.npz", "--set", "size=32", "--set", "pixels=64"], "no room to scan"),
        (["inspect", "missing.npz"], "there is no file or data set 'missing.npz'"),
        (["plugins", "list", "--kind", "los"], "Did you mean 'loss'?"),
        (["plugins", "show", "loss", "ma"], "Did you mean 'mae'"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else "",
)
def test_a_mistake_is_refused_in_one_sentence(refused, arguments, sentence):
    assert sentence in refused(*arguments)


@pytest.mark.parametrize(
    "arguments",
    [
        ["train", "--bogus"],
        ["train", "--epochs", "many"],
        ["train", "--device", "tpu"],
        ["train", "--out"],
        ["train", "a.toml", "b.toml"],
        ["simulate", "lines"],
        ["simulate", "lines", "s.npz", "--seed", "-1"],
        ["inspect"],
        ["plugins", "bogus"],
        ["plugins", "list", "--bogus"],
        ["--bogus"],
    ],
    ids=" ".join,
)
def test_a_misuse_of_the_command_line_is_an_error_of_the_user(ptycho, tmp_path, arguments):
    outcome = ptycho(*arguments)
    assert (outcome.code, outcome.out) == (2, "")
    assert outcome.err.splitlines()[-1].startswith("Error: ")
    assert "Traceback" not in outcome.err
    assert list(tmp_path.iterdir()) == []


def test_without_the_plugins_the_error_says_what_to_install(refused, monkeypatch):
    monkeypatch.setenv("PTYCHO_LOAD_PLUGINS", "")
    assert "Run 'pip install \"ptycho-host[torch]\"'" in refused("train")
    assert "It comes with ptycho-simulators: run 'pip install ptycho-simulators'" in refused(
        "simulate", "lines", "s.npz"
    )


# --- places ----------------------------------------------------------------------------------------------------


def test_a_folder_where_a_file_is_due(refused, tmp_path):
    (tmp_path / "folder").mkdir()
    assert "folder is a folder; give a file or a named data set: 'siemens_star'" in refused("inspect", "folder")
    assert "folder cannot be read: Is a directory" in refused("train", "folder")
    assert "folder is a folder; give the name of a file" in refused("simulate", "lines", "folder")


def test_existing_results_are_not_overwritten(refused, tmp_path):
    (tmp_path / "kept.npz").write_text("precious")
    (tmp_path / "run").mkdir()
    (tmp_path / "run" / "notes.txt").write_text("precious")
    assert "kept.npz exists; choose another name or add --force" in refused("simulate", "lines", "kept.npz")
    assert "run exists and is not an empty folder" in refused("train", "--data", "siemens_star", "--out", "run")
    assert "kept.npz" in refused("train", "--data", "siemens_star", "--out", "kept.npz")
    assert (tmp_path / "kept.npz").read_text() == (tmp_path / "run" / "notes.txt").read_text() == "precious"


@pytest.mark.parametrize(
    "arguments", [["simulate", "lines", "file/deep/s.npz"], ["train", "--data", "siemens_star", "--out", "file/run"]]
)
def test_a_place_where_nothing_can_be_written_is_found_before_the_work(refused, tmp_path, arguments):
    (tmp_path / "file").touch()
    message = refused(*arguments)
    assert "nothing can be written in" in message
    assert "choose another place" in message


# --- TOML ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("[train\n", "(at line 1, column 7)"),
        ("seed = 1\nseed = 1\n", "line 2"),
        ("seed = one\n", "line 1"),
        ("[trian]\n", "Did you mean 'train'?"),
        ("[generator]\nname = 'stable_hybrid'\nwidht = 3\n", "Did you mean 'width'?"),
        ("[data]\nlimit = 0\n", "option 'data.limit'"),
        ("[data]\nsource = 'missing.npz'\n", "there is no file or data set 'missing.npz'"),
    ],
)
def test_a_configuration_that_does_not_hold(refused, tmp_path, text, sentence):
    (tmp_path / "run.toml").write_text(text)
    assert sentence in refused("train", "run.toml")


# --- data files ------------------------------------------------------------------------------------------------


def test_the_scan_that_the_others_break_is_good(ptycho, scan):
    assert ptycho("inspect", scan()).code == 0


@pytest.mark.parametrize("key", ["diff3d", "xcoords", "ycoords", "probeGuess"])
def test_a_missing_key_is_named_with_what_the_file_holds(refused, scan, key):
    message = refused("inspect", scan(**{key: None}))
    assert "scan.npz" in message
    assert f"'{key}'" in message
    assert "the NPZ contract needs 'diff3d', 'xcoords', 'ycoords', 'probeGuess'" in message


def test_a_misspelt_key_gets_the_nearest_one(refused, scan, arrays):
    assert "Did you mean 'probeGues'" in refused("inspect", scan(probeGuess=None, probeGues=arrays["probeGuess"]))


BROKEN_ARRAYS = {
    "NaN": ("diff3d", lambda a: changed(a, (2, 3, 4), np.nan), "(first at (2, 3, 4))"),
    "infinity": ("diff3d", lambda a: changed(a, (0, 0, 1), np.inf), "(first at (0, 0, 1))"),
    "negative": (
        "diff3d",
        lambda a: changed(a, (1, 0, 5), -1),
        "negative at (1, 0, 5); there are no negative photon counts",
    ),
    "one pattern": ("diff3d", lambda a: a[0], "has shape (16, 16); it must be (M, N, N)"),
    "not square": ("diff3d", lambda a: a[:, :12], "has shape (4, 12, 16); it must be (M, N, N)"),
    "odd": ("diff3d", lambda a: a[:, :15, :15], "patterns of 15 pixels; crop or pad them to an even number"),
    "no patterns": ("diff3d", lambda a: a[:0], "empty"),
    "complex": ("diff3d", lambda a: a.astype(np.complex64), "has dtype complex64 where real numbers are due"),
    "text": ("diff3d", lambda a: a.astype(str), "where real numbers are due"),
    "an empty pattern": ("diff3d", lambda a: changed(a, 2, 0), "1 empty patterns (first: 2); remove them together"),
    "all empty": ("diff3d", lambda a: a * 0, "only empty patterns"),
    "too few positions": ("xcoords", lambda a: a[:3], "has shape (3,) but there are 4 patterns; give one position"),
    "NaN position": ("ycoords", lambda a: changed(a, 1, np.nan), "(first at (1,))"),
    "outside": (
        "xcoords",
        lambda a: changed(a, 3, 40),
        "outside the 32 x 32 object (first: pattern 3 at y=24.0, x=40.0)",
    ),
    "in metres": ("ycoords", lambda a: a * 1e-8, "positions are the patch centres in object pixels; shift or rescale"),
    "small probe": ("probeGuess", lambda a: a[:8, :8], "has shape (8, 8) but the patterns are 16 x 16; give one probe"),
    "probe modes": ("probeGuess", lambda a: np.stack([a, 2 * a]), "holds 2 modes with 20%, 80% of the power"),
    "zero probe": ("probeGuess", lambda a: a * 0, "is zero everywhere; give an estimate of the probe"),
    "real probe": ("probeGuess", lambda a: a.real, "where complex numbers are due"),
    "NaN probe": ("probeGuess", lambda a: changed(a, (3, 3), np.nan), "(first at (3, 3))"),
    "object of slices": ("objectGuess", lambda a: a[None], "has shape (1, 32, 32); it must be (H, W), one slice"),
    "NaN object": ("objectGuess", lambda a: changed(a, (0, 2), np.nan), "(first at (0, 2))"),
}


def test_a_scan_without_a_single_photon_is_nothing_to_inspect(refused, scan, arrays):
    assert "holds only empty patterns" in refused("inspect", scan(diff3d=arrays["diff3d"] * 0))


@pytest.mark.parametrize(("key", "change", "sentence"), BROKEN_ARRAYS.values(), ids=BROKEN_ARRAYS)
def test_a_broken_array_is_named_with_file_key_and_remedy(refused, scan, arrays, key, change, sentence):
    # `inspect` counts empty patterns; whoever wants to use them is told to drop them.
    command = ["train", "--data"] if "empty" in sentence else ["inspect"]
    message = refused(*command, scan(**{key: change(arrays[key])}))
    assert "scan.npz: " in message
    assert key in message
    assert sentence in message
    assert ";" in message, "no remedy"


def test_train_refuses_a_broken_file_like_inspect_does(refused, scan, arrays):
    name = scan(diff3d=changed(arrays["diff3d"], (2, 3, 4), np.nan))
    assert "diff3d has 1 values that are NaN" in refused("train", "--data", name, "--out", "run")


def test_pickled_arrays_are_refused(refused, scan):
    assert "scan.npz" in refused("inspect", scan(probeGuess=np.array([{"a": 1}], dtype=object)))


def test_metadata_that_is_no_json_is_refused(refused, scan):
    assert "metadata is not JSON" in refused("inspect", scan(metadata=np.array("{")))


def test_half_a_geometry_is_refused(refused, scan):
    message = refused("inspect", scan(objectPixelM=np.array([1e-8, 1e-8])))
    assert "photonEnergyEV" in message
    assert "or none" in message


@pytest.mark.parametrize("content", [b"", b"PK\x03\x04 but no archive", b"text", b"\x93NUMPY"])
def test_a_file_that_is_no_archive(refused, tmp_path, content):
    (tmp_path / "scan.npz").write_bytes(content)
    assert "scan.npz" in refused("inspect", "scan.npz")


def test_a_single_array_is_no_archive(refused, tmp_path):
    np.save(tmp_path / "scan.npy", np.ones((4, 16, 16)))
    (tmp_path / "scan.npy").rename(tmp_path / "scan.npz")
    assert "holds a single array; save all arrays of the NPZ contract" in refused("inspect", "scan.npz")


def test_a_file_of_an_unknown_format(refused, tmp_path):
    (tmp_path / "scan.tif").write_bytes(b"II*\x00")
    assert "scan.tif is of no format that an installed reader knows ('cxi'" in refused("inspect", "scan.tif")


@pytest.mark.parametrize("cut", [0.1, 0.5, 0.95])
def test_a_file_that_was_cut_off(refused, scan, tmp_path, cut):
    content = (tmp_path / scan()).read_bytes()
    (tmp_path / "scan.npz").write_bytes(content[: int(cut * len(content))])
    assert "scan.npz" in refused("inspect", "scan.npz")


def test_a_file_with_flipped_bytes(refused, arrays, tmp_path):
    np.savez_compressed(tmp_path / "scan.npz", **arrays)
    content = bytearray((tmp_path / "scan.npz").read_bytes())
    with zipfile.ZipFile(tmp_path / "scan.npz") as archive:
        start = archive.getinfo("diff3d.npy").header_offset + 200
    content[start : start + 40] = b"\xff" * 40
    (tmp_path / "scan.npz").write_bytes(bytes(content))
    assert "scan.npz" in refused("inspect", "scan.npz")
