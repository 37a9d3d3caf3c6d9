"""A journal gives back what was written, or reports that it cannot."""

import os
import pickle
import platform
import random
import subprocess
import sys

import hypothesis.strategies as st
import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings

from psyrun.journal import JournalWriter, Kind
from psyrun.journal.format import HEAD, MARKER, heading
from psyrun.journal.reader import Journal

PLAN = "0001-abcd"
TASKED = settings(
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)


def write(path, frames, plan=PLAN):
    """Write (row, payload) frames; return where each begins, and the end.

    What the writer says about itself stands before them.
    """
    path.unlink(missing_ok=True)
    writer = JournalWriter(path, plan)
    places = [path.stat().st_size]
    for row, payload in frames:
        writer.append(row, Kind.COMPLETED, payload)
        places.append(path.stat().st_size)
    writer.close()
    return places


def read(path, plan=PLAN):
    journal = Journal(path, plan)
    numbers = np.flatnonzero(journal.frames["kind"] != Kind.ABOUT)
    rows = journal.frames["row"][numbers].tolist()
    return list(zip(rows, journal.payloads(numbers), strict=True)), journal.damages


def covered(damages, start, stop):
    """Tell whether all bytes of a stretch are reported as damaged."""
    return any(damage.start <= start and stop <= damage.stop for damage in damages)


@TASKED
@given(st.lists(st.tuples(st.integers(0, 2**63 - 1), st.binary(max_size=60)), max_size=20))
def test_what_was_written_is_read(tmp_path, frames):
    write(tmp_path / "j", frames)
    assert read(tmp_path / "j") == (frames, [])


def test_each_frame_tells_how_its_row_went(tmp_path):
    writer = JournalWriter(tmp_path / "j", PLAN)
    writer.append(3, Kind.COMPLETED, b"x", start=1.7e9 + 0.25, duration=0.5)
    writer.append(4, Kind.FAILED, b"", attempt=255)
    writer.close()
    about, first, second = Journal(tmp_path / "j", PLAN).frames
    assert about["kind"] == Kind.ABOUT
    assert (first["row"], first["kind"], first["attempt"], first["length"]) == (3, 0, 1, 1)
    assert (first["start"], first["duration"]) == (1.7e9 + 0.25, 0.5)
    assert (second["row"], second["kind"], second["attempt"]) == (4, Kind.FAILED, 255)


def test_a_journal_has_one_writer(tmp_path):
    write(tmp_path / "j", [(1, b"one")])
    with pytest.raises(FileExistsError):
        JournalWriter(tmp_path / "j", PLAN)
    assert read(tmp_path / "j") == ([(1, b"one")], [])


def test_a_journal_tells_on_which_machine_it_was_written(tmp_path):
    places = write(tmp_path / "j", [(1, b"one")])
    assert Journal(tmp_path / "j", PLAN).host() == platform.node()
    content = bytearray((tmp_path / "j").read_bytes())
    content[places[0] - 1] ^= 1
    (tmp_path / "j").write_bytes(content)
    assert Journal(tmp_path / "j", PLAN).host() == ""
    assert read(tmp_path / "j")[0] == [(1, b"one")]


@pytest.mark.parametrize("content", [b"", b"psyrun jou", heading(PLAN)])
def test_a_journal_without_frames_is_empty(tmp_path, content):
    (tmp_path / "j").write_bytes(content)
    assert read(tmp_path / "j") == ([], [])


def test_a_tail_torn_at_any_byte_is_dropped_and_reported(tmp_path):
    frames = [(i, bytes([i]) * i * 3) for i in range(6)]
    path = tmp_path / "j"
    places = write(path, frames)
    content = path.read_bytes()
    for size in range(places[0], places[-1] + 1):
        path.write_bytes(content[:size])
        whole = [place for place in places if place <= size]
        found, damages = read(path)
        assert found == frames[: len(whole) - 1]
        expected = [(whole[-1], size, True)] if size > whole[-1] else []
        assert [tuple(damage[1:]) for damage in damages] == expected


def test_a_tail_of_zeros_is_dropped_and_reported_as_torn(tmp_path):
    path = tmp_path / "j"
    places = write(path, [(1, b"one"), (2, b"two")])
    with path.open("ab") as file:
        file.write(bytes(4096))
    found, (damage,) = read(path)
    assert found == [(1, b"one"), (2, b"two")]
    assert (damage.start, damage.stop, damage.torn) == (places[-1], places[-1] + 4096, True)


def mutate(chance, content):
    """Flip, overwrite, delete, insert or misplace some bytes."""
    content = bytearray(content)
    for _ in range(chance.randrange(1, 4)):
        at = chance.randrange(len(content) + 1)
        kind = chance.randrange(5)
        n = chance.choice([1, 1, 2, 7, 40, 300])
        if kind == 0 and at < len(content):
            content[at] ^= 1 << chance.randrange(8)
        elif kind == 1:
            stop = min(at + n, len(content))
            content[at:stop] = chance.randbytes(stop - at)
        elif kind == 2:
            del content[at : at + n]
        elif kind == 3:
            begin = chance.randrange(len(content) + 1)
            content[at:at] = content[begin : begin + n] or MARKER
        else:
            begin = chance.randrange(len(content) + 1)
            block = content[begin : begin + n]
            content[at : at + len(block)] = block  # a block that was misplaced
    return bytes(content)


@pytest.mark.parametrize("seed", range(8))
def test_random_damage_never_gives_a_wrong_row_and_is_reported(tmp_path, seed):
    chance = random.Random(seed)
    path = tmp_path / "j"
    base = len(heading(PLAN))
    for _ in range(500):
        sizes = [chance.choice([0, 1, 10, 50]) for _ in range(chance.randrange(1, 12))]
        frames = [(row, chance.randbytes(size)) for row, size in enumerate(sizes)]
        places = write(path, frames)
        content = path.read_bytes()
        damaged = mutate(chance, content)
        path.write_bytes(damaged)
        found, damages = read(path)
        intact = [
            frame
            for frame, start, stop in zip(frames, places, places[1:], strict=False)
            if damaged[start:stop] == content[start:stop]
        ]
        assert found == intact
        sound = sum(HEAD.size + len(payload) for _, payload in intact)
        if damaged[base : places[0]] == content[base : places[0]]:
            sound += places[0] - base  # what the writer says about itself
        in_damages = sum(damage.stop - damage.start for damage in damages)
        assert sound + in_damages == max(0, len(damaged) - base)


def test_a_damaged_length_costs_its_own_frame_only(tmp_path):
    path = tmp_path / "j"
    frames = [(i, b"payload %d" % i) for i in range(100)]
    places = write(path, frames)
    content = bytearray(path.read_bytes())
    content[places[50] + 8 : places[50] + 12] = (2**32 - 1).to_bytes(4, "little")
    path.write_bytes(content)
    found, (damage,) = read(path)
    assert found == frames[:50] + frames[51:]
    assert (damage.start, damage.stop, damage.torn) == (places[50], places[51], False)


def test_frames_of_another_plan_do_not_count(tmp_path):
    path = tmp_path / "j"
    places = write(path, [(1, b"one"), (2, b"two")], plan="0001-dcba")
    found, damages = read(path)
    assert found == []
    assert covered(damages, places[0], places[-1])


def test_a_journal_inside_a_payload_is_not_taken_for_rows(tmp_path):
    inner = tmp_path / "inner"
    write(inner, [(7, b"seven"), (8, b"eight")])
    path = tmp_path / "j"
    frames = [(1, inner.read_bytes()), (2, pickle.dumps({"journal": inner.read_bytes()}))]
    places = write(path, frames)
    assert read(path) == (frames, [])
    content = bytearray(path.read_bytes())
    content[places[0] + 4] ^= 1  # so the reader looks for the next marker, inside of the payload
    path.write_bytes(content)
    found, (damage,) = read(path)
    assert found == frames[1:]
    assert (damage.start, damage.stop) == (places[0], places[1])


def test_a_misplaced_copy_of_a_frame_does_not_count(tmp_path):
    path = tmp_path / "j"
    places = write(path, [(1, b"one"), (2, b"two"), (3, b"three")])
    content = path.read_bytes()
    path.write_bytes(content[: places[2]] + content[places[0] : places[1]])
    found, (damage,) = read(path)
    assert found == [(1, b"one"), (2, b"two")]
    assert damage.torn


def test_frames_bigger_than_what_is_read_at_once_are_read(tmp_path):
    path = tmp_path / "j"
    chance = random.Random(0)
    sizes = [10, 3 << 20, 0, (1 << 20) - HEAD.size, 5, (1 << 20) + 1, 7 << 20, 1]
    frames = [(row, chance.randbytes(size)) for row, size in enumerate(sizes)]
    places = write(path, frames)
    assert read(path) == (frames, [])
    content = bytearray(path.read_bytes())
    content[places[6] + 1000] ^= 1
    path.write_bytes(content)
    found, (damage,) = read(path)
    assert found == frames[:6] + frames[7:]
    assert (damage.start, damage.stop) == (places[6], places[7])


def test_frames_may_end_anywhere_in_what_is_read_at_once(tmp_path):
    path = tmp_path / "j"
    base = write(path, [])[0]
    for cut in range(-2 * HEAD.size, 2 * HEAD.size, 3):
        frames = [(1, b"x" * ((1 << 20) - base - HEAD.size + cut)), (2, b"two"), (3, b"")]
        write(path, frames)
        assert read(path) == (frames, [])


@TASKED
@given(st.data())
def test_payloads_come_in_the_order_asked_for(tmp_path, data):
    sizes = data.draw(st.lists(st.sampled_from([0, 3, 100, 1 << 19]), min_size=1, max_size=8))
    frames = [(row, bytes([row]) * size) for row, size in enumerate(sizes)]
    write(tmp_path / "j", frames)
    numbers = data.draw(st.lists(st.integers(0, len(frames) - 1), max_size=12))
    journal = Journal(tmp_path / "j", PLAN)
    (of_rows,) = np.nonzero(journal.frames["kind"] == Kind.COMPLETED)
    found = journal.payloads(of_rows[numbers])
    assert found == [frames[number][1] for number in numbers]


def test_a_journal_is_read_while_it_is_being_written(tmp_path):
    path = tmp_path / "j"
    writer = JournalWriter(path, PLAN)
    for row in range(200):
        writer.append(row, Kind.COMPLETED, b"%d" % row)
        found, damages = read(path)
        assert found == [(i, b"%d" % i) for i in range(row + 1)]
        assert damages == []
    writer.close()


WRITE_FOR_EVER = """
import sys
from itertools import count
from pathlib import Path
from psyrun.journal import JournalWriter, Kind
writer = JournalWriter(Path(sys.argv[1]), sys.argv[2])
for row in count():
    writer.append(row, Kind.COMPLETED, row.to_bytes(8) * (row % 1000))
    print(row, flush=True)
"""


def test_a_killed_writer_loses_no_row_that_was_written(tmp_path):
    chance = random.Random(0)
    for attempt in range(5):
        path = tmp_path / f"j{attempt}"
        process = subprocess.Popen(
            [sys.executable, "-c", WRITE_FOR_EVER, str(path), PLAN], stdout=subprocess.PIPE
        )
        with process:
            for _ in range(chance.randrange(1, 200)):
                last = int(process.stdout.readline())
            found, damages = read(path)  # while it is at work
            assert all(damage.torn for damage in damages)
            assert len(found) > last
            process.kill()
        found, damages = read(path)
        assert len(found) > last
        assert found == [(row, row.to_bytes(8) * (row % 1000)) for row in range(len(found))]
        assert all(damage.torn for damage in damages)


FULL_DISK = """
import resource, sys
from pathlib import Path
from psyrun.journal import JournalWriter, Kind
path = Path(sys.argv[1])
unlimited = resource.getrlimit(resource.RLIMIT_FSIZE)
writer = JournalWriter(path, sys.argv[2])
writer.append(1, Kind.COMPLETED, b"one")
before = path.read_bytes()
for size in (0, 3, 20, 500):  # how much of the frame still fits
    resource.setrlimit(resource.RLIMIT_FSIZE, (len(before) + size, unlimited[1]))
    try:
        writer.append(2, Kind.COMPLETED, b"two" * 1000)
    except OSError as err:
        assert err.filename == str(path), err.filename
        assert str(path) in str(err), err
    else:
        raise AssertionError("this was too much")
    resource.setrlimit(resource.RLIMIT_FSIZE, unlimited)
    assert path.read_bytes() == before
writer.append(3, Kind.COMPLETED, b"three")
writer.close()
"""


def test_a_full_disk_costs_no_earlier_row_and_writing_goes_on_when_there_is_space(tmp_path):
    path = tmp_path / "j"
    subprocess.run([sys.executable, "-c", FULL_DISK, str(path), PLAN], check=True)
    assert read(path) == ([(1, b"one"), (3, b"three")], [])


def test_a_write_that_takes_several_attempts_is_whole(tmp_path, monkeypatch):
    original = os.write
    monkeypatch.setattr(os, "write", lambda fd, data: original(fd, data[:7]))
    write(tmp_path / "j", [(1, b"one" * 30), (2, b"two" * 30)])
    assert read(tmp_path / "j") == ([(1, b"one" * 30), (2, b"two" * 30)], [])


def test_a_write_that_is_interrupted_leaves_the_journal_as_it_was(tmp_path, monkeypatch):
    writer = JournalWriter(tmp_path / "j", PLAN)
    writer.append(1, Kind.COMPLETED, b"one")
    original, calls = os.write, []

    def interrupted(fd, data):
        if calls:
            raise KeyboardInterrupt
        calls.append(1)
        return original(fd, data[:9])

    with monkeypatch.context() as patch:
        patch.setattr(os, "write", interrupted)
        with pytest.raises(KeyboardInterrupt):
            writer.append(2, Kind.COMPLETED, b"two")
    writer.append(3, Kind.COMPLETED, b"three")
    assert read(tmp_path / "j") == ([(1, b"one"), (3, b"three")], [])


def test_a_reader_copes_with_a_journal_that_is_all_markers(tmp_path):
    path = tmp_path / "j"
    path.write_bytes(heading(PLAN) + MARKER * 50_000)
    found, (damage,) = read(path)
    assert found == []
    assert damage.stop - damage.start == 4 * 50_000
