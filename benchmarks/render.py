"""Turn `results/*.json` into RESULTS.md.

python benchmarks/render.py
"""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Callable
from pathlib import Path
from typing import Any

import condition_curves
import reliability
from curves import by_scan, draw, equal_time, worse
from measuring import RESULTS, mean_and_spread

Results = dict[str, Any]


def table(header: list[str], rows: list[list[Any]]) -> str:
    lines = [header, ["---"] * len(header), *rows]
    return "\n".join("| " + " | ".join(str(cell) for cell in line) + " |" for line in lines)


def grouped(rows: list[Results], *keys: str) -> dict[tuple[Any, ...], list[Results]]:
    groups: dict[tuple[Any, ...], list[Results]] = defaultdict(list)
    for row in rows:
        groups[tuple(row[key] for key in keys)].append(row)
    return groups


def over(rows: list[Results], key: str) -> str:
    return mean_and_spread([row[key] for row in rows])


def demo(results: Results) -> str:
    return (
        "The demo's scan and defaults, on all cores; seconds cover simulation, training, reconstruction and report.\n\n"
        + (
            table(
                [
                    "loss",
                    "seeds",
                    "amplitude SSIM",
                    "phase SSIM",
                    "amplitude MAE",
                    "phase MAE (rad)",
                    "seconds, longest",
                ],
                [
                    [
                        loss,
                        len(rows),
                        over(rows, "amplitude_ssim"),
                        over(rows, "phase_ssim"),
                        over(rows, "amplitude_mae"),
                        over(rows, "phase_mae"),
                        f"{max(row['seconds'] for row in rows):.0f}",
                    ]
                    for (loss,), rows in grouped(results["rows"], "loss").items()
                ],
            )
        )
    )


def siemens_star(results: Results) -> str:
    refiner, rows = results["refiner"], results["rows"]
    failed = [row["label"] for row in rows if "error" in row]
    lines = []
    for (data, part), group in sorted(
        grouped([row for row in rows if "objects" in row], "data", "part").items(), key=lambda item: item[0][::-1]
    ):
        patterns, reference = group[0]["patterns"], group[0]["reference"]
        lines.append([data, part, patterns, "rPIE object in the file", "", *_misfit([reference])])
        for (start, epochs), found in grouped(
            [row | entry for row in group for entry in row["objects"]], "start", "epochs"
        ).items():
            method = f"{refiner} alone, {epochs} epochs"
            if start == "network":
                method = f"network, then {epochs} epochs" if epochs else "network"
            lines.append([data, part, patterns, method, len(found), *_misfit(found)])
    lost = f"\n\nFailed and left out: {'; '.join(failed)}." if failed else ""
    where = "a GPU" if results["device"] == "cuda" else "one thread"
    return (
        f"Measured patterns; `{results['generator']}`, Poisson loss, {results['seconds']:.0f} s of training on "
        f"{where}, then epochs of `{refiner}`, with the scan's own probe throughout. *whole*: trained on all patterns; "
        "*unseen half*: trained on the left half, then the right half is reconstructed, of which nothing was seen. "
        "Every stitched object, that in the file too, is forward-simulated at the sub-pixel positions of the patterns; "
        "mean over patterns of the uncentred correlation of amplitudes, and the squared residual over all.\n\n"
        + table(["scan", "part", "patterns", "object", "seeds", "correlation", "squared residual"], lines)
        + (f"\n\n{results['note']}" if "note" in results else "")
        + lost
    )


def _misfit(found: list[Results]) -> list[str]:
    return [f"{sum(entry[name] for entry in found) / len(found):.5f}" for name in ("correlation", "residual")]


def lift(results: Results) -> str:
    return (
        f"`stable_hybrid`, {results['seconds']:.0f} s of training on one thread, same seeds, evaluated "
        "on the same scan.\n\n"
        + table(
            ["N", "lift", "seeds", "amplitude SSIM", "phase SSIM", "diffraction correlation"],
            [
                [
                    pixels,
                    name,
                    len(rows),
                    over(rows, "amplitude_ssim"),
                    over(rows, "phase_ssim"),
                    over(rows, "correlation"),
                ]
                for (pixels, name), rows in grouped(results["rows"], "pixels", "lift").items()
            ],
        )
    )


def collapse(results: Results) -> str:
    rows = [row for row in results["rows"] if "error" not in row]
    untrained = [row for row in results["untrained"] if "error" not in row]
    start = {row["seed"]: row["phase_ssim"] for row in untrained}

    def line(name: str, members: list[Results]) -> list[Any]:
        return [
            name,
            len(members),
            sum(bool(row["collapsed_epochs"]) for row in members),
            sum(row["setbacks"] > 0 for row in members),
            sum(row["last_loss"] < row["first_loss"] for row in members),
            sum(row["phase_ssim"] > start[row["seed"]] for row in members),
            f"{max(row['largest_gradient_norm'] for row in members):.2f}",
            f"{max(row['peak_memory_mib'] or 0 for row in members):.0f}",
            over(members, "amplitude_ssim"),
            over(members, "phase_ssim"),
        ]

    lines = [line("all", rows)]
    for key, name in (
        ("depth", f"{{}} {results['depths']}"),
        ("loss", "{}"),
        ("clip", "clipper {}"),
        ("stabiliser", "{}"),
    ):
        lines += [line(name.format(level), members) for (level,), members in sorted(grouped(rows, key).items())]
    return (
        f"**{results['collapsed']} of {len(rows)} runs of `{results['generator']}` collapsed**, "
        f"{results['failed']} failed; "
        f"{results['epochs']} epochs on lines objects of {results['size']} px, one object a seed. A run counts as "
        "collapsed if in any epoch the predictions hardly differed between patterns. Networks that start from the "
        "back-projection differ in any case, so it is counted too how many lowered their loss, and how many have a "
        f"better phase than that start (amplitude SSIM {over(untrained, 'amplitude_ssim')}, phase "
        f"{over(untrained, 'phase_ssim')}).\n\n"
        + table(
            [
                "runs with",
                "number",
                "collapsed",
                "went back",
                "lowered their loss",
                "better phase than at the start",
                "largest gradient norm of an epoch",
                "peak memory, MiB",
                "amplitude SSIM",
                "phase SSIM",
            ],
            lines,
        )
    )


def collapse_seeds(results: Results) -> str:
    total = len(results["rows"])
    setbacks = sum(row["setbacks"] > 0 for row in results["rows"])
    return (
        f"**{results['collapsed']} of {total} runs collapsed**, {setbacks} had to go back to a checkpoint. A run "
        "counts as collapsed if in any epoch the predictions hardly differed between patterns. Short runs: "
        f"{results['epochs']} epochs on {results['size']}² lines objects, one object a seed: far too short "
        "for good images, and the SSIM says so; a collapsed network gives one patch everywhere.\n\n"
        + table(
            ["depth", "loss", "clipper", "runs", "collapsed", "amplitude SSIM", "phase SSIM"],
            [
                [
                    depth,
                    loss,
                    clip,
                    len(rows),
                    sum(bool(row["collapsed_epochs"]) for row in rows),
                    over(rows, "amplitude_ssim"),
                    over(rows, "phase_ssim"),
                ]
                for (depth, loss, clip), rows in grouped(results["rows"], "depth", "loss", "clip").items()
            ],
        )
    )


def recipe(results: Results) -> str:
    rows = [row for row in results["rows"] if "error" not in row]

    def line(arm: str, members: list[Results]) -> list[Any]:
        def mean(key: str) -> float:
            return sum(row[key] for row in members) / len(members)

        epochs = sum(len(row["losses"]) for row in members)
        return [
            arm,
            len(members),
            f"{sum(len(row['collapsed_epochs']) for row in members)} of {epochs}",
            sum(len(row["losses"]) in row["collapsed_epochs"] for row in members),
            f"{sum(row['losses'][-1] / row['dark_loss'] for row in members) / len(members):.3f}",
            f"{mean('energy'):.3g}",
            f"{mean('spread'):.2g}",
            f"{max(row['largest_gradient_norm'] for row in members):.2g}",
            over(members, "amplitude_ssim"),
        ]

    budget = f"{results['epochs']} epochs" if results["seconds"] is None else f"{results['seconds']:.0f} s of training"
    return (
        f"Networks of width {results['width']}, {budget} on lines objects of {results['size']} px, step 4 px. "
        "Collapsed: predictions hardly differ between patterns. Loss is over that of a prediction without any light; "
        "energy and spread (variance between patterns) of the predicted amplitudes are over those of the measured "
        "ones, at the end.\n\n"
        + table(
            [
                "recipe",
                "runs",
                "collapsed epochs",
                "collapsed at the end",
                "loss",
                "energy",
                "spread",
                "largest gradient norm",
                "amplitude SSIM",
            ],
            [line(arm, members) for (arm,), members in grouped(rows, "arm").items()],
        )
    )


def depth(results: Results) -> str:
    return (
        f"`stable_hybrid`, batches of 16 patterns in groups of four, one thread; the limit for eight blocks is "
        f"{results['limit_mib']:,} MiB. Memory is that of the process, libraries included.\n\n"
        + table(
            ["blocks", "N", "parameters", "peak memory, MiB"],
            [
                [row["depth"], row["pixels"], f"{row['parameters']:,}", f"{row['peak_memory_mib']:.0f}"]
                for row in results["rows"]
            ],
        )
    )


def throughput(results: Results) -> str:
    return (
        "One thread, N = 64. Training is the whole engine (batch 16, unit-wise clipping, AdamW); inference is "
        "prediction and stitching of the scan. Peak memory is the resident size of the process, libraries included.\n\n"
        + table(
            [
                "generator",
                "group size",
                "parameters",
                "training, patterns/s",
                "inference, patterns/s",
                "peak memory, MiB",
            ],
            [
                [
                    row["generator"],
                    row["group_size"],
                    f"{row['parameters']:,}",
                    f"{row['training_patterns_per_second']:.0f}",
                    f"{row['inference_patterns_per_second']:.0f}",
                    f"{row['peak_memory_mib']:.0f}",
                ]
                for row in results["rows"]
            ],
        )
    )


def reconstruction_speed(results: Results) -> str:
    height, width = results["object"]
    arms = grouped(results["rows"], "generator", "stitcher")

    def rate(members: list[Results], in_memory: bool) -> str:
        found = [row["patterns_per_second"] for row in members if row["in_memory"] is in_memory]
        return f"{found[0]:,.0f}" if found else ""

    return (
        f"All of `ptycho reconstruct` but reading and writing, for {results['patterns']:,} patterns of "
        f"{results['pixels']} x {results['pixels']} pixels and an object of {height:,} x {width:,} on one GPU, its "
        "uncertainty included. On the device: the stitcher adds patches up where they were predicted; in memory: each "
        "batch is copied first.\n\n"
        + table(
            ["generator", "stitcher", "on the device, patterns/s", "in memory, patterns/s"],
            [[*name, rate(members, False), rate(members, True)] for name, members in arms.items()],
        )
    )


def synchronisation(results: Results) -> str:
    def microseconds(members: list[Results], key: str) -> str:
        found = [1e6 * row[key] / row["patches"] for row in members if key in row]
        return f"{sum(found) / len(found):,.0f}" if found else ""

    def error(members: list[Results], key: str) -> str:
        return over(members, key) if key in members[0] else ""

    return (
        "Phases of patches from their overlaps with twelve neighbours each, on one thread: processor time, and the "
        "root mean square error of the phases of all patches but those that contradict all others.\n\n"
        + table(
            [
                "patches",
                "noise of overlaps, rad",
                "contradict all others",
                "µs a patch",
                "error, rad",
                "one eigenvector, µs a patch",
                "error, rad",
            ],
            [
                [
                    f"{patches:,}",
                    noise,
                    f"{wrong:.0%}",
                    microseconds(members, "seconds"),
                    error(members, "error"),
                    microseconds(members, "eigenvector_seconds"),
                    error(members, "eigenvector_error"),
                ]
                for (patches, noise, wrong), members in grouped(results["rows"], "patches", "noise", "wrong").items()
            ],
        )
    )


def streaming(results: Results) -> str:
    ratio, reading = results["file_over_memory"], results["reading"]["patterns_per_second"]
    made = f"The table: `{results['rows_command']}`.\n\n" if "rows_command" in results else ""
    return (
        f"Patterns of {results['pixels']} × {results['pixels']} over one object of {results['object']} × "
        f"{results['object']}, one epoch of a small `stable_hybrid` on one thread, `{results['stitcher']}` stitching, "
        f"a cache of {results['cache_mib']:.0f} MiB; memory over the imports.\n\n"
        + table(
            ["patterns", "file, MiB", "memory, MiB", "training, patterns/s", "reconstruction, patterns/s"],
            [
                [
                    f"{row['scan']['patterns']:,}",
                    f"{row['scan']['file_mib']:.0f}",
                    f"{row['memory_over_imports_mib']:.0f}",
                    f"{row['training_patterns_per_second']:.0f}",
                    f"{row['reconstruction_patterns_per_second']:.0f}",
                ]
                for row in results["rows"]
            ],
        )
        + f"\n\n{made}From the file over from memory: training {ratio['training']:.2f}, reconstruction "
        f"{ratio['reconstruction']:.2f}; if nothing were read ahead, {ratio['without_overlap']:.2f} (CPU seconds). "
        f"Reading alone: {reading['in_order']:.0f} patterns/s in order, {reading['at_random']:.0f} at random."
    )


def backends(results: Results) -> str:
    scaled = results["scaled"]
    return (
        "The demo's scan, one thread, one seed; as many epochs for each network, with the training that its "
        "author asks for. `pinn` and `baseline` have half the filters of the reference system. Amplitude and phase as "
        f"`ptycho compare` judges them; {results['rule'].partition(':')[0]}.\n\n"
        + table(
            ["rank", "run", "amplitude SSIM", "phase SSIM", "epochs", "training, s", "collapsed"],
            [
                [
                    row["rank"],
                    row["label"],
                    f"{row['amplitude_ssim']:.4f}",
                    f"{row['phase_ssim']:.4f}",
                    row["epochs"],
                    f"{row['training_seconds']:.0f}",
                    "yes" if row["collapsed"] else "no",
                ]
                for row in sorted(results["rows"], key=lambda row: row["rank"])
            ],
        )
        + f"\n\n{scaled['label']}, {scaled['epochs']} epoch, all reconstructed: amplitude SSIM "
        f"{scaled['amplitude_ssim']:.4f}, phase SSIM {scaled['phase_ssim']:.4f}."
    )


def xla(results: Results) -> str:
    pays = [
        f"N = {pixels}: {'it never pays' if patterns is None else f'it pays from {patterns:,} training patterns on'}"
        for pixels, patterns in results["pays_from_patterns"].items()
    ]
    return (
        "`pinn` on one thread of a CPU, batch 16. Compilation includes tracing, which there is without XLA too.\n\n"
        + table(
            ["", "training, steps/s", "compilation, s", "inference, patterns/s", "compilation, s"],
            [
                [
                    row["label"],
                    f"{row['training_steps_per_second']:.2f}",
                    f"{row['training_compilation_seconds']:.1f}",
                    f"{row['inference_patterns_per_second']:.1f}",
                    f"{row['inference_compilation_seconds']:.1f}",
                ]
                for row in results["rows"]
            ],
        )
        + f"\n\n{'; '.join(pays)}."
    )


def many_devices(results: Results) -> str:
    def rates(row: Results, what: str) -> str:
        one, two = row[f"{what}_patterns_per_second"]
        return f"{one:.0f} → {two:.0f} ({two / one:.2f})"

    return (
        f"One process with batches of {results['batch']} against {results['world']} with their share of each, a thread "
        "a process. Largest differences over the largest value; the control is one process that takes the same shares "
        "in turn (`train.accumulate`), so what it shows is rounding.\n\n"
        + table(
            ["", "against one process", "losses", "weights", "object", "unseen scan"],
            [
                [
                    f"{row['label']}, {row['epochs']} epochs",
                    name,
                    *(f"{row[key][what]:.1e}" for what in ("losses", "weights", "object", "unseen")),
                ]
                for row in results["rows"]
                for key, name in (("processes", f"{results['world']} processes"), ("control", "control"))
                if key in row
            ],
        )
        + "\n\nPatterns/s of one process → of all (ratio), and the machine's load meanwhile:\n\n"
        + table(
            ["", "training", "reconstruction", "load"],
            [
                [row["label"], rates(row, "training"), rates(row, "reconstruction"), f"{row['load']:.1f}"]
                for row in results["rows"]
            ],
        )
    )


def refine(results: Results) -> str:
    measured = [
        [
            f"{row['refiner']}, {row['epochs']} epochs" if row["refiner"] else "rPIE object in the file",
            row["probe"],
            f"{row['correlation']:.4f}",
            f"{row['residual']:.5f}",
            f"{row['seconds']:.0f}" if row["refiner"] else "",
        ]
        for row in results["measured"]
    ]
    training = [row["training"] for row in results["lines"] if row["refiner"] is None]
    epochs, seconds = (sum(entry[name] for entry in training) / len(training) for name in ("epochs", "seconds"))
    trained = f"after {epochs:.0f} epochs of training ({seconds:.0f} s on one thread)"
    begun = {"network": "the network's object", "uniform": "a uniform object"}
    lines = [
        [
            f"{refiner}, {epochs} epochs from {begun[start]}" if refiner else "network alone",
            len(rows),
            *(over(rows, name) for name in ("amplitude_ssim", "phase_ssim", "phase_mae")),
            f"{sum(row['residual'] for row in rows) / len(rows):.1e}",
            f"{sum(row['seconds'] for row in rows) / len(rows):.1f}",
        ]
        for (start, refiner, epochs), rows in grouped(results["lines"], "start", "refiner", "epochs").items()
    ]
    return (
        f"The demo's lines scan: `stable_hybrid` {trained}, then a few epochs of a refiner; and a refiner alone from a "
        "uniform object. Seconds are those of reconstruction or of refinement, on a machine with other work "
        "beside: good for comparison among themselves."
        "\n\n"
        + table(
            ["object", "seeds", "amplitude SSIM", "phase SSIM", "phase MAE (rad)", "squared residual", "seconds"], lines
        )
        + f"\n\nMeasured X-rays, `{results['data']}`, {results['patterns']} patterns, from a uniform object, by the "
        "scan's own probe or one that is refined from it:\n\n"
        + table(["object", "probe", "correlation", "squared residual", "seconds"], measured)
    )


def natural(results: Results) -> str:
    def scores(rows: list[Results]) -> list[str]:
        seconds = sum(row["seconds"] for row in rows) / len(rows)
        return [*(over(rows, name) for name in ("amplitude_ssim", "phase_ssim", "phase_mae")), f"{seconds:.1f}"]

    refiner = results["refiner"]
    lines = []
    for (step, name), rows in grouped(results["rows"], "step", "network").items():
        lines.append([f"{step} px", name, len(rows), *scores([row["alone"] for row in rows])])
        then = f"{name}, then {results['refiner_epochs']} epochs of {refiner}"
        lines.append([f"{step} px", then, len(rows), *scores([row["refined"] for row in rows])])
    for row in results["alone"]:
        lines.append([f"{row['step']} px", f"{refiner} alone, {row['epochs']} epochs", 1, *scores([row])])
    return (
        "A photograph as amplitude, another as phase, 392 × 392; patterns of 64 × 64 with 1e9 photons, probe diameter "
        f"32 px. Every network is trained on the scan itself for {results['seconds']:.0f} s on one thread; seconds are "
        "those of reconstruction, with the refiner if there is one.\n\n"
        + table(
            ["step", "method", "seeds", "amplitude SSIM", "phase SSIM", "phase MAE (rad)", "seconds"],
            lines,
        )
    )


def zero_shot(results: Results) -> str:
    training = results["training"]
    lines = []
    for (sample, step, method), rows in grouped(results["rows"], "sample", "step", "method").items():
        seconds = sum(row["seconds"] for row in rows) / len(rows)
        scores = (over(rows, name) for name in ("amplitude_ssim", "phase_ssim", "phase_mae"))
        lines.append([sample, f"{step} px", method, len(rows), *scores, f"{seconds:.1f}"])
    scans = (
        f" with patterns of {results['pixels']} x {results['pixels']} pixels, a probe of {results['diameter']:.0f} px"
        if "pixels" in results
        else ""
    )
    return (
        f"`unrolled_scan`, trained once, at steps of {results['step']} px, for {training['seconds']:.0f} s "
        f"({training['patterns_per_second']:,.0f} patterns/s) on simulated lines, random fields and shapes; then it "
        f"reconstructs other samples{scans}: `natural` are photographs, one as amplitude and another as phase. Means "
        "and spreads over samples; seconds are those of reconstruction on one thread.\n\n"
        + table(
            ["sample", "step", "method", "samples", "amplitude SSIM", "phase SSIM", "phase MAE (rad)", "seconds"], lines
        )
        + f"\n\nTraining: `{results['training_command']}`."
    )


def pattern_sizes(results: Results) -> str:
    lines = []
    for (pixels, name), rows in grouped(results["rows"], "pixels", "network").items():
        speed = sum(row["patterns_per_second"] for row in rows) / len(rows)
        lines.append(
            [
                pixels,
                name,
                f"{rows[0]['parameters']:,}",
                len(rows),
                over(rows, "amplitude_ssim"),
                over(rows, "phase_ssim"),
                f"{speed:.0f}",
            ]
        )
    return (
        f"529 patterns of lines, the probe half as wide as a pattern; {results['seconds']:.0f} s of training "
        f"({results['device']}), then one pass over an object that the network has not seen.\n\n"
        + table(
            ["N", "generator", "parameters", "seeds", "amplitude SSIM", "phase SSIM", "training, patterns/s"], lines
        )
    )


def unseen(results: Results) -> str:
    rows, refiner = results["rows"], results["refiner"]
    scans = by_scan(rows)
    setting = (
        f"A network trained on a scan of another object of its class{_trained(results)}, then the unseen scan: in one "
        f"pass, and with `{refiner}` after it. Seconds are those of reconstruction on one thread, of a machine whose "
        "other cores work too, whatever the network was trained on; each number of epochs is a refinement of its own. "
        "`lines` and `cells` are simulated under another seed, `natural` are other photographs as amplitude and phase, "
        f"{results['size']} × {results['size']}, patterns of 64 × 64 with 1e9 photons; of the measured `star` the left "
        "half trains and the right half, thinned to the step, is reconstructed; all its patterns judge."
    )
    parts = [setting, *([results["note"]] if "note" in results else []), _trainings(rows), _arms(scans, refiner)]
    if results.get("timed", True) and all(None in curves for curves in scans.values()):
        folder = Path(__file__).parent / "figures"
        samples = dict.fromkeys(sample for sample, _ in scans)
        drawn = {sample: draw(rows, sample, folder / f"{results['name']}-{sample}.png") for sample in samples}
        parts += ["### At equal time", _at_equal_time(rows)]
        parts += [f"![{sample}: error against time](figures/{path.name})" for sample, path in drawn.items()]
    failed = sorted({row["label"] for row in rows if "error" in row})
    return "\n\n".join([*parts, *([f"Failed and left out: {'; '.join(failed)}."] if failed else [])])


def _trained(results: Results) -> str:
    """How long: `, with the defaults` unless the script was told otherwise."""
    limits = [f"{results['shown']:,} patterns shown"] if results["shown"] else []
    limits += [f"at most {results['seconds']:.0f} s"] if results["seconds"] else []
    where = " on a GPU" if results["device"] == "cuda" else " on one thread"
    return f" ({', '.join(limits) or 'the default schedule'}{where}; all else the defaults)"


def _trainings(rows: list[Results]) -> str:
    """One line a sample, network and step that was trained on, which may be judged at several steps."""
    trained = {
        (row["sample"], row["training"]["step"], row["network"], row["seed"]): row["training"]
        for row in rows
        if "training" in row
    }
    groups: dict[tuple[str, int, str], list[Results]] = defaultdict(list)
    for (sample, step, network, _), training in sorted(trained.items()):
        groups[sample, step, network].append(training)
    return table(
        ["sample", "trained at", "network", "seeds", "training, s", "epochs", "patterns/s", "collapsed"],
        [
            [
                sample,
                f"{step} px",
                network,
                len(group),
                *(
                    f"{sum(training[name] for training in group) / len(group):.0f}"
                    for name in ("seconds", "epochs", "patterns_per_second")
                ),
                sum(training["collapsed"] for training in group),
            ]
            for (sample, step, network), group in groups.items()
        ],
    )


def _arms(scans: dict[tuple[str, int], dict[str | None, list[Results]]], refiner: str) -> str:
    """Every network alone and after five epochs of the refiner, and the refiner alone after some."""
    lines = []
    for (sample, step), curves in scans.items():
        for network, rows in sorted(curves.items(), key=lambda item: (item[0] is None, item[0] or "")):
            wanted = (5, 20, 50) if network is None else (0, 5, 20)
            for epochs in wanted:
                points = [point for row in rows for point in row["points"] if point["epochs"] == epochs]
                if not points:
                    continue
                method = f"{refiner} alone, {epochs} epochs"
                if network is not None:
                    method = f"{network}, then {epochs} epochs" if epochs else network
                truth = "phase_ssim" in points[0]
                lines.append(
                    [
                        sample,
                        f"{step} px",
                        method,
                        len(points),
                        f"{sum(point['seconds'] for point in points) / len(points):.1f}",
                        *(
                            over(points, name) if truth else ""
                            for name in ("amplitude_ssim", "phase_ssim", "phase_mae")
                        ),
                        over(points, "correlation"),
                        f"{sum(point['residual'] for point in points) / len(points):.1e}",
                    ]
                )
    header = ["sample", "step", "method", "seeds", "seconds", "amplitude SSIM", "phase SSIM", "phase MAE (rad)"]
    return table([*header, "correlation", "squared residual"], lines)


def _at_equal_time(rows: list[Results]) -> str:
    """How network and refiner stand to the refiner alone after the same seconds, worst and best point of each curve."""
    entries = equal_time(rows)
    lines = []
    for (sample, step, network), group in grouped(entries, "sample", "step", "network").items():
        later = [entry for entry in group if entry["epochs"]]
        names = list(group[0]["ratios"])
        lines.append(
            [
                sample,
                f"{step} px",
                network,
                *(_ratios([entry["ratios"][name] for entry in later]) for name in names[:2]),
                ", ".join(str(entry["epochs"]) for entry in group if worse(entry, names[:2])) or "never",
            ]
        )
    return (
        "Errors of network and refiner over those of the refiner alone at the same time, from one epoch on: best to "
        "worst. Errors are 1 − SSIM; of the star 1 − correlation, and the squared residual.\n\n"
        + table(["sample", "step", "network", "amplitude", "phase", "worse after epochs"], lines)
    )


def _ratios(values: list[float | None]) -> str:
    known = [value for value in values if value is not None]
    if not known:
        return "earlier than its first epoch"
    return f"{min(known):.2f} to {max(known):.2f}"


def crash(results: Results) -> str:
    trainings, scans = results["trainings"], results["scans"]
    same = sum(not row["differing"] for row in trainings)
    whole = sum(count for row in scans for left, count in row["left"].items() if left != "a damaged file")
    return (
        f"**{same} of {len(trainings)} killed trainings gave the same result, bit by bit** (weights, product, losses, "
        "figures of merit), as one that nobody disturbed; half of them at a random moment, the others while a file "
        f"was being written. {whole} of {sum(row['kills'] for row in scans)} files of scans, killed while they were "
        "replaced, were the old or the new one, whole.\n\n"
        + table(
            ["killed", "trainings", "resumed", "started anew", "the same"],
            [
                [
                    doing,
                    len(rows),
                    *(sum(row["then"] == then for row in rows) for then in ("resumed", "started anew")),
                    sum(not row["differing"] for row in rows),
                ]
                for (doing,), rows in sorted(grouped(trainings, "killed").items())
            ],
        )
        + "\n\n"
        + table(
            ["writer killed", "times", "left", "written again"],
            [
                [
                    row["writer"],
                    row["kills"],
                    ", ".join(f"{left} {count} times" for left, count in row["left"].items()),
                    "yes" if row["written_again"] else "no",
                ]
                for row in scans
            ],
        )
    )


def fuzz(results: Results) -> str:
    total, failed = (sum(row[key] for row in results["rows"]) for key in ("cases", "failed"))
    return (
        f"{total:,} changed files, **{failed} failures**: whatever is not read is refused with one sentence, without "
        f"a traceback, a crash, or more than {results['seconds']} s. Growth is that of the process from the first "
        "fifth of the cases to the end.\n\n"
        + table(
            ["", "cases", "read", "refused", "failed", "longest, s", "growth, MiB"],
            [
                [
                    row["kind"],
                    f"{row['cases']:,}",
                    row["read"],
                    row["refused"],
                    row["failed"],
                    f"{row['longest_seconds']:.2f}",
                    f"{row['growth_mib']:.1f}",
                ]
                for row in results["rows"]
            ],
        )
    )


def preset(results: Results) -> str:
    return (
        f'`stable_hybrid` with `preset = "small"` trains on {results["ratio"]:.2f} times as many patterns a second as '
        f"with the default: both at the same time for {results['seconds']:.0f} s, one thread each. The demo with "
        "either:\n\n"
        + table(
            ["preset", "seeds", "parameters", "amplitude SSIM", "phase SSIM"],
            [
                [
                    name,
                    len(rows),
                    f"{rows[0]['parameters']:,}",
                    over(rows, "amplitude_ssim"),
                    over(rows, "phase_ssim"),
                ]
                for (name,), rows in grouped(results["demo"], "preset").items()
            ],
        )
    )


def spectral(results: Results) -> str:
    return (
        f"Truncated spectral convolution, forward and backward, one thread, batch {results['batch']}: products with "
        "Fourier matrices against FFTs of the whole image, and against FFTs whose second axis is cut first.\n\n"
        + table(
            ["size", "channels", "modes", "faster than FFTs", "than cut FFTs", "relative error"],
            [
                [
                    row["size"],
                    row["channels"],
                    row["modes"],
                    f"{row['faster_than_dense']:.2f} ×",
                    f"{row['faster_than_truncated']:.2f} ×",
                    f"{row['relative_error']:.1e}",
                ]
                for row in results["rows"]
            ],
        )
    )


def uncertainty(results: Results) -> str:
    rows = reliability.judged(results["rows"])
    failed = [row["error"] for row in [*results["rows"], *results["networks"]] if "error" in row]
    figure = reliability.draw(rows, Path(__file__).parent / "figures" / "uncertainty.png")
    said = []
    for name, several in (("Networks alone", False), ("Ensembles", True)):
        arm = [row for row in rows if reliability.ensemble(row) == several]
        parts = (
            ("the class that they were trained on", lambda row: row["sample"] == row["trained"]),
            ("other classes", lambda row: row["sample"] != row["trained"]),
        )
        for where, chosen in parts:
            part = [row for row in arm if chosen(row)]
            if part:
                said.append([name, where, *_ratio_cells(part)])
    amplitude, phase = results["factors"]
    return (
        f"`{results['generator']}` for each class of objects, {results['seconds']:.0f} s of training at a step of 8 "
        "px; objects of 256 × 256, patterns of 64 × 64. The uncertainty has one factor b for amplitude and one for "
        "phase, fitted on scans of other objects (calibration); all figures are from further scans that neither a "
        "network nor the fit has seen (test). The ratio is root mean square error over root mean square uncertainty: "
        "1 is due, above it a network is too sure. Of normally distributed errors 0.68 lie within one uncertainty.\n\n"
        f"By the calibration scans b = {amplitude:.2f} for amplitude and {phase:.2f} for phase. "
        "On the test scans, geometric mean of the ratios and the factor by which they scatter:\n\n"
        + table(["", "on", *(f"{quantity} ratio" for quantity in reliability.QUANTITIES)], said)
        + f"\n\n![predicted uncertainty and true error](figures/{figure.name})\n\n"
        + table(
            [
                "trained on",
                "photons",
                "object",
                "step",
                "networks",
                *(
                    f"{quantity} {what}"
                    for quantity in reliability.QUANTITIES
                    for what in ("error", "ratio", "within 1")
                ),
            ],
            [
                [trained, f"{photons:.0e}", sample, f"{step} px", *_reliability_cells(members)]
                for (trained, photons, sample, step, _), members in sorted(
                    grouped(
                        [row | {"several": reliability.ensemble(row)} for row in rows],
                        *("trained", "photons", "sample", "step", "several"),
                    ).items()
                )
            ],
        )
        + (f"\n\nFailed and left out: {'; '.join(failed)}." if failed else "")
    )


def conditions(results: Results) -> str:
    rows, usual = condition_curves.judged(results["rows"]), results["usual"]
    failed = [f"{row['label']}: {row['error']}" for row in results["rows"] if "error" in row]
    training = [row["training"] for row in rows]
    said = (
        f"Objects of {results['size']}² pixels, patterns of 64², probe diameter 32 px, spoilt in one way each; the "
        "usual one (dotted) has 1e9 photons a pattern, 75 % overlap by diameter on a jittered raster, nothing wrong. "
        f"`{results['generator']}` is trained on each scan itself for {results['seconds']:.0f} s ({results['device']}; "
        f"{sum(bool(each['collapsed']) for each in training)} of {len(training)} collapsed), knowing nothing of the "
        "damage; *probe learnt* is another one with `engine.trainable_probe`, *refined first* one that is trained with "
        f"probe or positions from the refiner alone. Then {results['epochs']} epochs of `{results['refiner']}`, in "
        "which the probe, the positions, or probe and a second mode are free where they are what is wrong. The refiner "
        "alone has the same freedom: once for the time of the network's pass and its refinement (one thread; training "
        f"is not counted), once for {results['longest']} epochs. Objects are compared after shift and phase plane are "
        "taken out, so figures are a little above those of other sections.\n\n"
        f"Where the mean SSIM falls below {condition_curves.BROKEN:g}:\n\n"
    )
    said += table(
        ["sample", "condition", *(f"{part}: {arm}" for arm in _BREAKING for part in ("amplitude", "phase"))],
        [
            [
                sample,
                results["labels"][condition],
                *(
                    condition_curves.limits(
                        condition_curves.curve(rows, sample, condition, usual[condition], arm),
                        usual[condition],
                        f"{part}_ssim",
                    )
                    for arm in _BREAKING
                    for part in ("amplitude", "phase")
                ),
            ]
            for sample, condition in _conditions_of(rows)
        ],
    )
    folder = Path(__file__).parent / "figures"
    for sample in dict.fromkeys(row["sample"] for row in rows):
        if any(row["sample"] == sample and row["condition"] != condition_curves.USUAL for row in rows):
            figure = condition_curves.draw(rows, sample, usual, results["labels"], folder)
            said += f"\n\n![{sample} object under harder conditions](figures/{figure.name})"
    said += (
        "\n\nAmplitude / phase SSIM, and in parentheses the squared residual over that of the true object, which is "
        "counting noise:\n\n"
    )
    said += table(
        ["sample", "condition", "value", "seeds", *condition_curves.ARMS],
        [
            [sample, condition, f"{value:g}", len(members), *(_arm(members, arm) for arm in condition_curves.ARMS)]
            for (sample, condition, value), members in sorted(grouped(rows, "sample", "condition", "value").items())
        ],
    )
    said += "\n\nWhat the refiner found where it was free:\n\n" + table(
        ["sample", "condition", "value", *_FINDING],
        [
            [sample, condition, f"{value:g}", *(_found(members, arm) for arm in _FINDING)]
            for (sample, condition, value), members in sorted(grouped(rows, "sample", "condition", "value").items())
            if _found(members, "refiner, long")
        ],
    )
    return said + (f"\n\nFailed and left out: {'; '.join(failed)}." if failed else "")


_BREAKING = ("network", "network + refiner", "refiner, equal time", "refined first + refiner")
_FINDING = ("network + refiner", "refiner, equal time", "refiner, long")


def _conditions_of(rows: list[Results]) -> list[tuple[str, str]]:
    """Each sample with each of its conditions."""
    pairs = dict.fromkeys((row["sample"], row["condition"]) for row in rows)
    return sorted(pair for pair in pairs if pair[1] != condition_curves.USUAL)


def _arm(rows: list[Results], name: str) -> str:
    members = [row["arms"][name] for row in rows if name in row["arms"]]
    if not members:
        return ""
    amplitude, phase = (condition_curves.mean(members, f"{part}_ssim") for part in ("amplitude", "phase"))
    over_noise = sorted(row["arms"][name]["residual"] / row["floor"] for row in rows)[len(rows) // 2]
    return f"{amplitude:.3f} / {phase:.3f} ({over_noise:.3g})"


def _found(rows: list[Results], arm: str) -> str:
    """What the refiner made of positions, of the probe and of a second mode, averaged over the seeds."""
    words = {
        "position_error": "positions to {:.3f} px rms",
        "probe_error": "probe's modulus to {:.3f}",
        "second_mode": "second mode {:.3f}",
    }
    members = [row["arms"][arm] for row in rows]
    return ", ".join(
        text.format(sum(each[name] for each in members) / len(members))
        for name, text in words.items()
        if name in members[0]
    )


def _reliability_cells(rows: list[Results]) -> list[str]:
    """Who made the objects; error, its ratio to the uncertainty and the part within it, of amplitude and phase."""
    seeds = {tuple(row["seeds"]) for row in rows}
    (first, *_) = seeds
    cells = [f"{len(first)} together" if len(first) > 1 else f"{len(seeds)} alone"]
    for quantity in reliability.QUANTITIES:
        members = [row for row in rows if row["quantity"] == quantity]
        cells += [
            f"{sum(row['rms_error'] for row in members) / len(members):.4f}",
            f"{reliability.spread(members)[0]:.2f}",
            f"{sum(row['within'][0] for row in members) / len(members):.2f}",
        ]
    return cells


def _ratio_cells(rows: list[Results]) -> list[str]:
    cells = []
    for quantity in reliability.QUANTITIES:
        mean, factor = reliability.spread([row for row in rows if row["quantity"] == quantity])
        cells.append(f"{mean:.2f} ×/÷ {factor:.2f}")
    return cells


SECTIONS: dict[str, tuple[str, Callable[[Results], str]]] = {
    "demo": ("The demo", demo),
    "siemens_star": ("Measured X-rays", siemens_star),
    "refine": ("Refinement", refine),
    "lift": ("The back-projection lift pays", lift),
    "collapse": ("No collapse", collapse),
    "collapse_seeds": ("No collapse, more seeds", collapse_seeds),
    "collapse_long": ("No collapse in longer runs", collapse),
    "collapse_unrolled": ("No collapse of unrolled either", collapse),
    "recipe": ("Why the reference system's recipe collapses", recipe),
    "recipe_long": ("The same, longer", recipe),
    "depth": ("Depth and memory", depth),
    "throughput": ("Throughput and memory", throughput),
    "reconstruction_speed": ("Prediction and stitching on a GPU", reconstruction_speed),
    "synchronisation": ("Phases of patches", synchronisation),
    "preset": ("The small preset", preset),
    "spectral": ("Spectral convolution", spectral),
    "backends": ("Both back-ends, one scan", backends),
    "xla": ("XLA on CPUs", xla),
    "natural": ("Independent amplitude and phase", natural),
    "natural_scan": ("The same by a generator of whole scans", natural),
    "zero_shot": ("A class of objects that the network never saw", zero_shot),
    "zero_shot_classes": ("The same network, other classes", zero_shot),
    "zero_shot_128": ("The same network, larger patterns", zero_shot),
    "zero_shot_128_wide": ("The same network, a wider probe", zero_shot),
    "pattern_sizes": ("Larger patterns", pattern_sizes),
    "pattern_sizes_256": ("Larger still", pattern_sizes),
    "pattern_sizes_cpu": ("What larger patterns cost on a CPU", pattern_sizes),
    "unseen": ("Unseen lines objects", unseen),
    "unseen_longer": ("Unseen lines objects, trained for longer", unseen),
    "unseen_classes": ("Unseen objects of other classes", unseen),
    "uncertainty": ("Uncertainty, predicted and true", uncertainty),
    "conditions": ("Harder conditions", conditions),
    "conditions_natural": ("Harder conditions, photographs", conditions),
    "streaming": ("Scans larger than memory", streaming),
    "crash": ("Killed runs", crash),
    "fuzz": ("Damaged and hostile files", fuzz),
    "many_devices": ("Several processes", many_devices),
}


def main() -> None:
    text = [
        "# Results",
        "Written by `python benchmarks/render.py` from `results/*.json`; spreads are standard deviations over seeds.",
    ]
    for name, (title, render) in SECTIONS.items():
        path = RESULTS / f"{name}.json"
        if path.is_file():
            results = json.loads(path.read_text(encoding="utf-8"))
            text.append(
                f"## {title}\n\n{render(results)}\n\n`{results['command']}`, {results['date']}, {results['machine']}."
            )
    (Path(__file__).parent / "RESULTS.md").write_text("\n\n".join(text) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
