"""Functions of notebooks on a Dask cluster."""

import os

import psyrun
from psyrun import Param
from psyrun.scheduler import Dask


def test_a_function_is_farmed_out_to_a_cluster(tmp_path, monkeypatch, dask_cluster):
    monkeypatch.chdir(tmp_path)
    here = os.getpid()

    def start(**variables):
        return psyrun.farm(
            lambda x: {"y": x + 1, "elsewhere": os.getpid() != here},
            Param(x=range(5)),
            Dask(dask_cluster.scheduler_file),
            name="increments",
            max_jobs=2,
            **variables,
        )

    assert start().wait()
    result = psyrun.attach("increments").result()
    assert (result["y"].tolist(), result["elsewhere"].all()) == ([1, 2, 3, 4, 5], True)
    assert start().result()["y"].tolist() == [1, 2, 3, 4, 5]
