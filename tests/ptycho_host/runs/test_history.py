"""The history survives a kill: whole lines count, a torn one does not."""

from __future__ import annotations

from dataclasses import replace

import pytest

from ptycho_host.errors import RunFailedError
from ptycho_host.records import EpochReport
from ptycho_host.runs.history import append_report, keep_epochs, read_history

REPORT = EpochReport(
    epoch=1,
    training_loss=0.1 + 0.2,
    validation_loss=None,
    learning_rate=1e-3,
    gradient_norm=5e-324,
    clipped=0.25,
    seconds=1.5,
    patterns_per_second=700.0,
    collapsed=False,
)


@pytest.fixture
def path(tmp_path):
    return tmp_path / "history.jsonl"


@pytest.fixture
def reports(path):
    reports = [replace(REPORT, epoch=epoch, validation_loss=epoch / 3) for epoch in (1, 2, 3, 4)]
    for report in reports:
        append_report(path, report)
    return reports


def test_reports_come_back_exactly(path, reports):
    append_report(path, replace(REPORT, epoch=5))
    assert read_history(path) == [*reports, replace(REPORT, epoch=5)]


def test_no_file_is_no_history(path):
    assert read_history(path) == []


def test_wherever_the_last_line_was_cut_the_others_stay(path, reports):
    content = path.read_bytes()
    last = content.rindex(b"\n", 0, -1) + 1
    for end in range(last, len(content) - 1):
        path.write_bytes(content[:end])
        assert read_history(path) == reports[:3]


@pytest.mark.parametrize("rubbish", [b"\0" * 64, b"\xff\xfe\x80", b"[1, 2]", b'{"epoch": 5}', b'{"epoch": 5, "x": 1}'])
def test_a_last_line_of_rubbish_is_left_out(path, reports, rubbish):
    with path.open("ab") as file:
        file.write(rubbish)
    assert read_history(path) == reports


def test_a_resumed_run_drops_what_it_does_again(path, reports):
    with path.open("a") as file:
        file.write('{"epoch": 5, "trai')
    keep_epochs(path, 2)
    append_report(path, replace(REPORT, epoch=3))
    assert read_history(path) == [*reports[:2], replace(REPORT, epoch=3)]


def test_keeping_all_drops_only_the_torn_line(path, reports):
    with path.open("a") as file:
        file.write('{"ep')
    keep_epochs(path, 100)
    assert path.read_text().endswith("}\n")
    assert read_history(path) == reports


def test_a_history_that_cannot_be_written(tmp_path):
    with pytest.raises(RunFailedError, match=r"cannot write .*none/history\.jsonl: No such file"):
        append_report(tmp_path / "none" / "history.jsonl", REPORT)


def test_an_epoch_done_again_replaces_its_line_and_those_after_it(path, reports):
    again = replace(REPORT, epoch=3, training_loss=0.25)
    append_report(path, again)
    assert read_history(path) == [*reports[:2], again]


def test_a_torn_line_does_not_swallow_the_next_one(path, reports):
    with path.open("a") as file:
        file.write('{"epoch": 5, "trai')
    append_report(path, replace(REPORT, epoch=5))
    assert read_history(path) == [*reports, replace(REPORT, epoch=5)]
