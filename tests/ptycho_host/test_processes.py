"""What processes tell each other."""

from __future__ import annotations

import numpy as np
import pytest

from ptycho_host.errors import DataError, InputError, PtychoError, RunFailedError
from ptycho_host.processes import Processes, processes_of
from ptycho_host.testing.processes import everywhere


def test_all_get_the_same_answer() -> None:
    assert everywhere(3, lambda mine: mine.mean(mine.rank)) == [1.0] * 3
    assert everywhere(3, lambda mine: mine.any(mine.rank == 2)) == [True] * 3
    assert everywhere(3, lambda mine: mine.any(False)) == [False] * 3
    # A truth value from one and a number from another must not be two kinds of message.
    assert everywhere(3, lambda mine: mine.agreed(mine.rank == 0)) == [1.0] * 3
    assert everywhere(3, lambda mine: mine.text(f"schön {mine.rank}", rank=2)) == ["schön 2"] * 3
    assert everywhere(2, lambda mine: mine.text("" if mine.first else "unheard")) == [""] * 2


@pytest.mark.parametrize("count", [0, 2, 7, 12])
def test_shares_are_even_and_follow_each_other(count: int) -> None:
    shares = [Processes(rank, 4).stretch(count) for rank in range(4)]
    assert np.concatenate([np.arange(count)[share] for share in shares]).tolist() == list(range(count))
    sizes = [share.stop - share.start for share in shares]
    assert max(sizes) - min(sizes) <= 1


def failing(rank: int, error: BaseException) -> list[BaseException | None]:
    def work(mine: Processes) -> BaseException | None:
        try:
            with mine.together():
                if mine.rank == rank:
                    raise error
        except (PtychoError, KeyboardInterrupt) as found:
            return found
        return None

    return everywhere(3, work)


def test_what_fails_in_the_first_process_is_told_by_it_alone() -> None:
    error = InputError("no such file; check the path.")
    found = failing(0, error)
    assert found[0] is error
    assert not error.told
    for other in found[1:]:
        assert isinstance(other, InputError)
        assert other.told


def test_what_fails_elsewhere_is_told_by_the_first_process() -> None:
    first, *others = failing(1, DataError("no such file; check the path."))
    assert isinstance(first, InputError)
    assert str(first) == "process 1: no such file; check the path."
    assert [first.told, *(other.told for other in others)] == [False, True, True]
    assert {error.exit_code for error in (first, *others)} == {2}


def test_an_interruption_of_one_interrupts_all() -> None:
    first, *others = failing(2, KeyboardInterrupt())
    assert isinstance(first, KeyboardInterrupt)
    for other in others:
        assert isinstance(other, RunFailedError)
        assert other.told


def test_without_failure_all_go_on() -> None:
    def work(mine: Processes) -> int:
        with mine.together():
            pass
        return mine.rank

    assert everywhere(3, work) == [0, 1, 2]


def test_one_alone_raises_what_it_finds() -> None:
    mine = processes_of(object())
    assert (mine.rank, mine.world, mine.first) == (0, 1, True)
    with pytest.raises(DataError, match="as it is"), mine.together():
        raise DataError("as it is")
