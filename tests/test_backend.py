"""Backends hand out each row exactly once."""

import errno
import multiprocessing
import os
from itertools import pairwise

import hypothesis.strategies as st
import pytest
from hypothesis import given

from psyrun.backend import DistributeBackend, LoadBalancingBackend, load_balancing
from psyrun.backend.base import number_of_jobs
from psyrun.workdir import Workdir

BACKENDS = [DistributeBackend, LoadBalancingBackend]


@pytest.fixture
def files(tmp_path):
    files = Workdir(tmp_path, "a").new_plan_dir(1)
    files.create()
    return files


def take_all(source, wanted=1, takers=1):
    taken = []
    while (batch := source.take(wanted, takers)) is not None:
        taken.append(batch)
    return taken


def rows_of(batches):
    return [row for start, stop in batches for row in range(start, stop)]


@given(st.integers(1, 10**12), st.integers(1, 200))
def test_equal_batches_partition_the_rows(n_rows, n_jobs):
    n_jobs = min(n_rows, n_jobs)
    batches = DistributeBackend.batches(n_rows, n_jobs)
    assert len(batches) == n_jobs
    assert batches[0][0] == 0
    assert batches[-1][1] == n_rows
    assert all(stop == start for (_, stop), (start, _) in pairwise(batches))
    sizes = [stop - start for start, stop in batches]
    assert max(sizes) - min(sizes) <= 1
    assert min(sizes) >= 1


@pytest.mark.parametrize("backend", BACKENDS)
def test_no_rows_need_no_jobs(backend):
    assert backend.batches(0, 0) == []


@given(st.integers(0, 10**6), st.integers(1, 1000), st.integers(1, 10**4))
def test_jobs_are_as_many_as_rows_and_settings_allow(n_rows, max_jobs, min_items):
    n_jobs = number_of_jobs(n_rows, max_jobs, min_items)
    assert (n_jobs == 0) == (n_rows == 0)
    assert n_jobs <= min(n_rows, max_jobs)
    if n_jobs > 1:
        sizes = [stop - start for start, stop in DistributeBackend.batches(n_rows, n_jobs)]
        assert min(sizes) >= min_items
    if 0 < n_jobs < max_jobs:
        assert n_rows // (n_jobs + 1) < min_items


@pytest.mark.parametrize("backend", BACKENDS)
@given(data=st.data())
def test_one_job_after_the_other_gets_each_row_once(tmp_path_factory, backend, data):
    n_rows = data.draw(st.integers(1, 60))
    n_jobs = data.draw(st.integers(1, min(n_rows, 6)))
    files = Workdir(tmp_path_factory.mktemp("work"), "a").new_plan_dir(1)
    files.create()
    sources = [backend.source(b, n_jobs, files) for b in backend.batches(n_rows, n_jobs)]
    taken = []
    while sources:
        source = data.draw(st.sampled_from(sources))
        batch = source.take(data.draw(st.integers(1, 100)), data.draw(st.integers(1, 4)))
        if batch is None:
            sources.remove(source)
        else:
            assert batch[0] < batch[1]
            taken.append(batch)
    assert sorted(rows_of(taken)) == list(range(n_rows))


def test_the_only_process_of_a_job_gets_its_batch_at_once(files):
    assert take_all(DistributeBackend.source((5, 10_000), 3, files)) == [(5, 10_000)]


@pytest.mark.parametrize("backend", BACKENDS)
def test_the_shares_of_a_pool_shrink(backend, files):
    taken = take_all(backend.source((0, 1000), 1, files), wanted=10**6, takers=4)
    sizes = [stop - start for start, stop in taken]
    assert sizes == sorted(sizes, reverse=True)
    assert sizes[0] == 125
    assert sizes[-4:] == [1, 1, 1, 1]


@pytest.mark.parametrize("backend", BACKENDS)
def test_no_more_rows_come_than_wanted(backend, files):
    source = backend.source((0, 1000), 1, files)
    assert source.take(1, 2) == (0, 1)
    assert source.take(3, 2) == (1, 4)


def test_slow_rows_are_taken_singly_and_quick_ones_in_few_files(files):
    (_, stop), *_ = LoadBalancingBackend.batches(10**6, 1)
    source = LoadBalancingBackend.source((0, stop), 1, files)
    assert source.take(1, 1) == (0, 1)
    taken = take_all(source, wanted=10**5)
    assert taken[-1][1] == 10**6
    assert len(taken) < 50


# --- Claims -------------------------------------------------------------------------------------


def take_in_process(files, n_rows, n_jobs, number, connection, with_links):
    if not with_links:

        def no_links(*args):
            raise OSError(errno.EPERM, os.strerror(errno.EPERM))

        os.link = no_links
    source = LoadBalancingBackend.source((0, n_rows), n_jobs, files)
    wanted = 1
    while (batch := source.take(wanted, 1)) is not None:
        connection.send((number, batch))
        wanted = wanted * 3 % 31 + 1
    connection.send((number, None))


def start_processes(files, n_rows, n_jobs, numbers, with_links=True):
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload([__name__])
    started = []
    for number in numbers:
        ours, theirs = context.Pipe(duplex=False)
        process = context.Process(
            target=take_in_process, args=(files, n_rows, n_jobs, number, theirs, with_links)
        )
        process.start()
        theirs.close()
        started.append((process, ours))
    return started


def receive_all(connection):
    taken = []
    try:
        while (batch := connection.recv()[1]) is not None:
            taken.append(batch)
    except EOFError:
        pass
    return taken


@pytest.mark.parametrize("with_links", [True, False])
def test_several_processes_get_each_row_exactly_once(files, with_links):
    started = start_processes(files, 2000, 5, range(5), with_links)
    taken = []
    for process, connection in started:
        taken += receive_all(connection)
        process.join()
        assert process.exitcode == 0
    assert sorted(rows_of(taken)) == list(range(2000))
    names = [path.name for path in files.claims.iterdir()]
    assert all(name.isdigit() for name in names)
    assert len(names) == len(taken)


def test_a_killed_process_loses_its_own_claims_only(files):
    n_rows = 10_000
    [(victim, connection)] = start_processes(files, n_rows, 4, [0])
    lost = [connection.recv()[1] for _ in range(5)]
    others = start_processes(files, n_rows, 4, [1, 2, 3])
    others[0][1].poll(60)
    victim.kill()
    victim.join()
    lost += receive_all(connection)
    taken = []
    for process, its in others:
        taken += receive_all(its)
        process.join()
    found = rows_of(taken)
    assert len(found) == len(set(found))
    assert not set(found) & set(rows_of(lost))
    # It may have died between making a claim and telling of it.
    missing = sorted(set(range(n_rows)) - set(found) - set(rows_of(lost)))
    assert missing == [] or int(files.claim(missing[0]).read_text().split()[0]) == missing[-1] + 1


def test_a_job_that_starts_late_goes_on_where_the_others_are(files):
    first = LoadBalancingBackend.source((0, 100), 2, files)
    taken = [first.take(5, 1) for _ in range(10)]
    late = LoadBalancingBackend.source((0, 100), 2, files)
    taken += take_all(late)
    assert rows_of(taken) == list(range(100))
    assert first.take(1, 1) is None


def test_a_claim_that_died_while_being_written_stops_nobody(files, monkeypatch):
    monkeypatch.setattr(load_balancing, "_PATIENCE", 0.0)
    first = LoadBalancingBackend.source((0, 20), 2, files)
    taken = [first.take(4, 1)]
    files.claim(4).touch()  # made where links do not work, by a process that died then
    second = LoadBalancingBackend.source((0, 20), 2, files)
    taken += take_all(first) + take_all(second)
    assert set(rows_of(taken)) == set(range(20))
    assert len(rows_of(taken)) == 21  # both have done the row of that claim


def test_a_claim_that_cannot_be_seen_yet_is_waited_for(files, monkeypatch):
    mine = LoadBalancingBackend.source((0, 20), 2, files)
    files.claim(0).touch()
    pauses = []

    def sleep(pause):
        pauses.append(pause)
        if len(pauses) == 5:
            files.claim(0).write_text("3")

    monkeypatch.setattr(load_balancing.time, "sleep", sleep)
    assert mine.take(1, 1) == (3, 4)
    assert len(pauses) == 5


def test_a_claim_that_cannot_be_made_is_an_error(files):
    files.claims.rmdir()
    with pytest.raises(FileNotFoundError):
        LoadBalancingBackend.source((0, 20), 2, files).take(1, 1)


def test_a_job_that_is_started_again_gets_what_it_had_taken(files):
    taken = {}
    for step in ("process:0", "process:1", "process:0"):
        source = LoadBalancingBackend.source((0, 20), 2, files, step)
        taken.setdefault(step, []).append(source.take(3, 1))
    again = LoadBalancingBackend.source((0, 20), 2, files, "process:0", again=True)
    assert [again.take(3, 1), again.take(3, 1)] == taken["process:0"]
    assert again.take(3, 1)[0] == sum(stop - start for x in taken.values() for start, stop in x)
