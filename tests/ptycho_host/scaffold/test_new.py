"""`ptycho new`: what it says, and what it refuses."""

from __future__ import annotations

import pytest

from ptycho_host import Host
from ptycho_host.catalogue import Catalogue, CatalogueEntry
from ptycho_host.components import Loss
from ptycho_host.errors import InputError
from ptycho_host.scaffold.creation import create
from ptycho_host.scaffold.names import Names


def test_it_says_what_to_do_next(ptycho, tmp_path) -> None:
    outcome = ptycho("new", "generator", "mynet")
    assert outcome.code == 0, outcome.err
    assert outcome.out.splitlines() == [
        "./mynet: mynet, a generator for torch, 10 files",
        "install  pip install -e './mynet[test]'",
        "test     pytest ./mynet",
        "use      ptycho train --generator mynet --set generator.width=48",
    ]
    assert len([path for path in (tmp_path / "mynet").rglob("*") if path.is_file()]) == 10
    assert [path.name for path in tmp_path.iterdir()] == ["mynet"]


def test_the_folder_may_be_named_and_may_be_there_if_it_is_empty(ptycho, tmp_path) -> None:
    (tmp_path / "empty").mkdir()
    assert ptycho("new", "stitcher", "mine", "empty").code == 0
    assert ptycho("new", "loss", "mine", "deep/inside", "--backend", "tensorflow").code == 0
    assert (tmp_path / "empty" / "mine" / "plugin.py").is_file()
    assert 'backend="tensorflow"' in (tmp_path / "deep" / "inside" / "mine" / "plugin.py").read_text()


def test_the_folder_is_as_open_as_any_other(ptycho, tmp_path) -> None:
    (tmp_path / "usual").mkdir()
    ptycho("new", "loss", "mine")
    assert (tmp_path / "mine").stat().st_mode == (tmp_path / "usual").stat().st_mode


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["generatr", "mine"], "no template for 'generatr'. Did you mean 'generator'?"),
        (["engine", "mine"], "no template for 'engine'."),
        (["stitcher", "mine", "--backend", "torch"], "whatever the back-end; drop --backend."),
        (["loss", "mine", "--backend", "tensorflw"], "Did you mean 'tensorflow'?"),
        (["loss", "my loss"], "'my loss' cannot name a package"),
        (["loss", "2d"], "'2d' cannot name a package"),
        (["loss", "m" * 41], "at most 40 letters"),
        (["loss", "../mine"], "cannot name a package"),
        (["loss", "import"], "would hide another of that name"),
        (["loss", "json"], "would hide another of that name"),
        (["loss", "Torch"], "would hide another of that name"),
        (["loss", "numpy"], "is installed already (by 'numpy')"),
        (["loss", "ptycho-torch"], "distribution ptycho-torch already"),
        (["command", "train"], "command 'train' (ptycho-host) exists already"),
        (["reader", "npz"], "reader 'npz' (ptycho-host) exists already"),
    ],
)
def test_what_cannot_be_is_refused(refused, arguments, sentence) -> None:
    assert sentence in refused("new", *arguments)


def test_what_is_there_stays(refused, tmp_path) -> None:
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "notes.txt").touch()
    (tmp_path / "file").touch()
    assert "full is not empty" in refused("new", "loss", "mine", "full")
    assert "file exists and is no folder" in refused("new", "loss", "mine", "file")
    assert "choose another folder" in refused("new", "loss", "mine", "file/below")


def test_a_failure_half_way_leaves_nothing(tmp_path, monkeypatch, make_plugin) -> None:
    import pathlib

    written = []
    write_text = pathlib.Path.write_text

    def full_disk(path, *arguments, **named):
        written.append(path)
        if len(written) == 5:
            raise OSError(28, "No space left on device")
        return write_text(path, *arguments, **named)

    monkeypatch.setattr(pathlib.Path, "write_text", full_disk)
    with pytest.raises(InputError, match="No space left on device"):
        create("loss", "mine", tmp_path / "mine", host=Host([], catalogue=Catalogue()))
    assert len(written) == 5
    assert list(tmp_path.iterdir()) == []


def test_names_follow_from_the_one_given() -> None:
    assert Names.of("My.Net", kind="generator") == Names("my-net", "my_net", "my_net", "MyNet")
    assert Names.of("ptycho-my-net", kind="generator") == Names("ptycho-my-net", "ptycho_my_net", "my_net", "MyNet")
    assert Names.of("ring-means", kind="command") == Names("ring-means", "ring_means", "ring-means", "RingMeans")


def test_a_twin_for_another_back_end_may_have_the_name(tmp_path, make_plugin) -> None:
    plugin = make_plugin("theirs", ptycho_losses=[Loss("mine", backend="torch", summary=".", target="theirs:build")])
    host = Host([plugin], catalogue=Catalogue())
    with pytest.raises(InputError, match=r"loss 'mine' \(theirs\) exists already"):
        create("loss", "mine", tmp_path / "mine", host=host)
    assert create("loss", "mine", tmp_path / "mine", backend="tensorflow", host=host).blueprint.backend == "tensorflow"
    assert create("generator", "mine", tmp_path / "other", host=host).names.component == "mine"


def test_known_distributions_are_not_named_again(tmp_path) -> None:
    catalogue = Catalogue((CatalogueEntry("generator", "uno", "torch", "neural-nets", "pip install neural-nets"),))
    with pytest.raises(InputError, match="there is a distribution neural-nets already"):
        create("loss", "Neural_Nets", tmp_path / "mine", host=Host([], catalogue=catalogue))
