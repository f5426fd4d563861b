"""Names become components that fit together, or an error says what exists where and how to get the rest."""

from __future__ import annotations

import pytest

from ptycho_host.catalogue import OVERLAY_VARIABLE, Catalogue
from ptycho_host.components import Clipper, Engine, Generator, Loss, Refiner, Simulator, Stitcher
from ptycho_host.config import from_table, resolve
from ptycho_host.errors import (
    AmbiguousComponentError,
    BackendError,
    BrokenComponentError,
    ConfigError,
    InputError,
    OptionError,
    UnknownComponentError,
)
from ptycho_host.plugins import Host
from ptycho_host.resolution import choose_backend, resolve_components
from ptycho_host.workflows.train import plan

NOTHING_KNOWN = Catalogue()


def build(*, width: int = 4):
    return lambda *_: width


@pytest.fixture
def host_of(make_plugin, make_module):
    """A host with the given descriptors; every target is `build` above."""
    make_module("toy", build=build)
    hooks = {
        Generator: "ptycho_generators", Loss: "ptycho_losses", Clipper: "ptycho_clippers", Engine: "ptycho_engines",
        Stitcher: "ptycho_stitchers", Simulator: "ptycho_simulators", Refiner: "ptycho_refiners",
    }  # fmt: skip

    def make(*distributions, catalogue=NOTHING_KNOWN):
        plugins = [
            make_plugin(
                f"lab{number}",
                **{hook: [c for c in components if type(c) is kind] for kind, hook in hooks.items()},
            )
            for number, components in enumerate(distributions)
        ]
        return Host(plugins, catalogue=catalogue)

    return make


def toy(kind, name, backend=None, **more):
    return kind(name, summary="Toy.", target="toy:build", backend=backend, **more)


def whole_set(backend):
    """One component of each kind that a run needs, with the names that a configuration chooses by default."""
    return [
        toy(Engine, f"{backend}_engine", backend),
        toy(Generator, "unrolled", backend),
        toy(Loss, "mae", backend),
        toy(Loss, "tv", backend),
        toy(Clipper, "norm", backend),
        toy(Stitcher, "synchronised"),
        toy(Simulator, "lines"),
        toy(Refiner, "epie"),
    ]


# --- unknown names ---------------------------------------------------------------------------------------------


def test_an_unknown_name_gets_the_nearest_ones_and_what_is_installed(host_of):
    host = host_of([toy(Loss, "poisson"), toy(Loss, "mae")])
    with pytest.raises(UnknownComponentError) as caught:
        host.find("loss", "poison")
    assert str(caught.value) == (
        "no loss named 'poison' is installed. Did you mean 'poisson'? Installed: 'mae', 'poisson'."
    )


def test_a_known_name_gets_the_line_that_installs_it():
    with pytest.raises(
        UnknownComponentError, match=r"comes with ptycho-contrib-fno: run 'pip install ptycho-contrib-fn"
    ):
        Host([]).find("generator", "unrolled")


def test_near_a_known_name_that_is_not_installed_that_name_is_offered():
    with pytest.raises(UnknownComponentError, match="Did you mean 'unrolled'"):
        Host([]).find("generator", "unroled")


def test_the_users_overlay_adds_to_the_catalogue_and_comes_first(tmp_path, monkeypatch):
    overlay = tmp_path / "mine.toml"
    overlay.write_text(
        '[lab-networks]\ninstall = "pip install git+https://lab.example/networks"\n'
        'generator.torch = ["labnet", "unrolled"]\n'
    )
    monkeypatch.setenv(OVERLAY_VARIABLE, str(overlay))
    for name in ("labnet", "unrolled"):
        with pytest.raises(UnknownComponentError, match=r"lab-networks: run 'pip install git\+https"):
            Host([]).find("generator", name)


def test_an_unknown_kind_gets_the_nearest_one(host_of):
    with pytest.raises(InputError, match=r"no kind of component 'generatr'\. Did you mean 'generator'"):
        host_of([]).find("generatr", "fno")


# --- back-ends -------------------------------------------------------------------------------------------------


def test_a_name_that_exists_for_another_backend_only(host_of):
    with pytest.raises(BackendError, match="generator 'pinn' exists for back-end 'tensorflow', not for 'torch'"):
        host_of([toy(Generator, "pinn", "tensorflow")]).find("generator", "pinn", "torch")


def test_the_only_backend_that_fits_is_chosen(host_of):
    host = host_of(whole_set("torch"), [*whole_set("tensorflow")[:1], toy(Generator, "pinn", "tensorflow")])
    assert choose_backend(host, [("generator", "unrolled"), ("loss", "mae")], None) == "torch"


def test_several_that_fit_are_named(host_of):
    host = host_of(whole_set("torch"), whole_set("tensorflow"))
    with pytest.raises(BackendError, match=r"several back-ends fit: 'tensorflow', 'torch'; choose one with --backend"):
        choose_backend(host, [("generator", "unrolled")], None)
    assert choose_backend(host, [("generator", "unrolled")], "tensorflow") == "tensorflow"


def test_when_none_fits_the_error_says_which_name_exists_where(host_of):
    host = host_of(whole_set("torch"), [*whole_set("tensorflow")[:1], toy(Generator, "pinn", "tensorflow")])
    with pytest.raises(BackendError) as caught:
        choose_backend(host, [("generator", "pinn"), ("loss", "tv"), ("refiner", "epie")], None)
    assert "generator 'pinn': tensorflow; loss 'tv': torch; refiner 'epie': any" in str(caught.value)


def test_a_backend_that_was_asked_for_must_have_everything(host_of):
    host = host_of(whole_set("torch"), [*whole_set("tensorflow")[:1], toy(Generator, "pinn", "tensorflow")])
    with pytest.raises(BackendError, match=r"not everything exists for back-end 'torch' \(generator 'pinn': tensorf"):
        choose_backend(host, [("generator", "pinn"), ("loss", "tv")], "torch")


def test_without_an_engine_the_error_says_how_to_install_one():
    for wanted, backend, extra in (
        ([], None, "torch"),
        ([("generator", "unrolled"), ("loss", "mae")], None, "torch"),
        ([("generator", "pinn"), ("loss", "mae"), ("loss", "somebody_elses")], None, "tf"),
        ([("generator", "unrolled")], "tensorflow", "tf"),
    ):
        with pytest.raises(BackendError) as caught:
            choose_backend(Host([]), wanted, backend)
        assert str(caught.value) == f"no engine is installed to train with. Run 'pip install \"ptycho-host[{extra}]\"'."
    with pytest.raises(BackendError, match=r"no engine is installed to train with\.$"):
        choose_backend(Host([]), [("generator", "pinn"), ("generator", "unrolled")], None)


def test_an_unknown_backend_is_told_what_there_is(host_of):
    with pytest.raises(BackendError, match=r"no engine for back-end 'jax'. Installed: 'torch'"):
        choose_backend(host_of(whole_set("torch")), [], "jax")


def test_two_engines_on_one_backend_must_be_told_apart(host_of):
    host = host_of([*whole_set("torch"), toy(Engine, "other", "torch")])
    with pytest.raises(BackendError, match=r"several engines \('other', 'torch_engine'\); choose one with engine.name"):
        resolve_components(host, from_table({}))
    resolved = resolve_components(host, from_table({"engine": {"name": "other", "width": 2}}))
    assert resolved.engine.as_table() == {"name": "other", "width": 2}


# --- a whole configuration -------------------------------------------------------------------------------------


def test_everything_a_configuration_names_is_looked_up_with_its_options(host_of):
    config = from_table({"loss": {"name": "mae+0.1*tv", "tv": {"width": 7}}, "clip": {"name": "norm", "width": 2}})
    resolved = resolve_components(host_of(whole_set("torch")), config)
    assert resolved.backend == "torch"
    assert [(weight, loss.as_table()) for weight, loss in resolved.losses] == [
        (1.0, {"name": "mae", "width": 4}),
        (0.1, {"name": "tv", "width": 7}),
    ]
    assert resolved.clipper.build()() == 2
    assert resolved.simulator is not None
    assert resolved.refiner is None


def test_a_run_on_data_needs_no_simulator(host_of):
    host = host_of([component for component in whole_set("torch") if type(component) is not Simulator])
    assert resolve_components(host, from_table({"data": {"source": "scan.npz"}})).simulator is None
    with pytest.raises(UnknownComponentError, match="simulator"):
        resolve_components(host, from_table({}))


def test_supervision_is_read_from_the_descriptors(host_of):
    host = host_of([*whole_set("torch"), toy(Loss, "object_mae", "torch", supervised=True)])
    assert not resolve_components(host, from_table({})).supervised
    assert resolve_components(host, from_table({"loss": "mae+object_mae"})).supervised


def test_a_generator_of_whole_scans_is_refused_before_anything_runs(host_of):
    components = [c for c in whole_set("torch") if type(c) is not Generator]
    host = host_of([*components, toy(Generator, "unrolled", "torch", scope="scan")])
    with pytest.raises(ConfigError, match="works on whole scans"):
        resolve_components(host, from_table({}))


@pytest.mark.parametrize("section", ["generator", "loss", "clip", "stitch", "simulator", "refiner", "engine"])
def test_a_wrong_option_of_any_component_is_found_before_anything_runs(host_of, section):
    names = {"generator": "unrolled", "loss": "mae", "clip": "norm", "stitch": "synchronised"}
    name = names.get(section) or {"simulator": "lines", "refiner": "epie", "engine": "torch_engine"}[section]
    with pytest.raises(OptionError, match=r"has no option 'widht'. Did you mean 'width'\? Valid options: 'width'"):
        resolve_components(host_of(whole_set("torch")), from_table({section: {"name": name, "widht": 3}}))


@pytest.mark.parametrize("loss", ["mae", "lab1:mae", "lab1:mae+0.5*tv"])
def test_the_resolved_configuration_resolves_to_itself(host_of, loss):
    """What `--dry-run` prints and `config.toml` holds is a run that can be repeated."""
    twice = [toy(Clipper, "norm", "torch"), *([toy(Loss, "mae", "torch")] if ":" in loss else [])]
    host = host_of(whole_set("torch"), twice)
    config = from_table({"loss": loss, "clip": {"name": "lab1:norm", "width": 3}, "refiner": "epie"})
    first = plan(config, host)
    again = plan(from_table(first.as_table()), host)
    assert again.as_table() == first.as_table()
    assert [(weight, entry.registration) for weight, entry in again.components.losses] == [
        (weight, entry.registration) for weight, entry in first.components.losses
    ]
    assert again.components.clipper.registration.distribution == "lab1"
    assert first.as_table()["clip"] == {"name": "lab1:norm", "width": 3}


def test_a_name_that_two_distributions_bring_is_refused_with_both(host_of):
    with pytest.raises(AmbiguousComponentError, match="'lab0:norm', 'lab1:norm'"):
        resolve_components(host_of(whole_set("torch"), [toy(Clipper, "norm", "torch")]), from_table({}))


def slow(**training):
    """The whole set, with a generator that asks for the training."""
    return [
        toy(Generator, "unrolled", "torch", training=training) if type(part) is Generator else part
        for part in whole_set("torch")
    ]


def test_training_that_suits_the_generator_stands_between_what_was_asked_for_and_the_defaults(host_of, tmp_path):
    host = host_of(slow(learning_rate=5e-4, batch_size=4))
    file = tmp_path / "mine.toml"
    file.write_text("[train]\nbatch_size = 32\n", encoding="utf-8")
    for config in (
        resolve(file, {"train": {"epochs": 3}}),
        from_table({"train": {"batch_size": 32, "epochs": 3}}),
    ):
        training = plan(config, host).config.train
        assert (training.learning_rate, training.batch_size, training.epochs) == (5e-4, 32, 3)
        assert training.optimiser == config.train.optimiser
    # The host's own default counts as asked for when it was said.
    assert plan(resolve(settings=["train.learning_rate=2e-3"]), host).config.train.learning_rate == 2e-3


def test_a_resolved_configuration_stays_as_it_is(host_of):
    resolved = plan(resolve(), host_of(whole_set("torch"))).config
    host = host_of(slow(learning_rate=5e-4))
    assert plan(from_table(resolved.as_table()), host).config.train == resolved.train


@pytest.mark.parametrize(
    ("training", "sentence"),
    [({"learning_rat": 1.0}, "did you mean 'learning_rate'"), ({"batch_size": 0}, "option 'batch_size' of")],
)
def test_training_that_does_not_exist_is_the_plugins_fault(host_of, training, sentence):
    with pytest.raises(BrokenComponentError, match=r"generator 'unrolled' \(lab0\) cannot be used") as error:
        plan(resolve(), host_of(slow(**training)))
    assert sentence.lower() in str(error.value).lower()
    assert str(error.value).endswith("update, remove or report lab0.")
