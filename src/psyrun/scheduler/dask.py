"""Dask clusters."""

import json
import os
import shlex
import time
import warnings
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from os import PathLike
from pathlib import Path
from typing import Any

from psyrun.exceptions import SchedulerError
from psyrun.extras import require
from psyrun.scheduler import _dask_jobs
from psyrun.scheduler._dask_jobs import PREFIX, Spec, members_of
from psyrun.scheduler.base import (
    CANCELLED,
    COMPLETED,
    FAILED,
    NODE_FAILED,
    JobEnd,
    JobId,
    JobStatus,
    Scheduler,
    resolve,
)

_VARIABLE = "DASK_SCHEDULER_ADDRESS"

_PATIENCE = 8.0
"""Seconds to wait for the cluster's scheduler to answer at first."""

_PATIENCE_WITH_JOBS = 60.0
"""Seconds to wait for it to take jobs that it has been sent."""

_DASK = frozenset({"workers", "resources", "priority", "retries", "allow_other_workers"})
_NO_MEANING = frozenset(
    {"account", "memory", "memory_per_cpu", "n_cpus", "n_gpus", "n_nodes", "partition"}
    | {"max_running", "name", "timelimit"}
)
"""What other schedulers are told; here the cluster has been given it when it was started."""


class Dask(Scheduler):
    """Run jobs in the workers of a Dask cluster, each in a process of its own.

    psyrun has to be installed where the cluster's scheduler and workers run, and the work directory
    has to have the same path there.

    *scheduler_args* are those of ``distributed.Client.submit``: *workers*, *resources*, *priority*,
    *retries* and *allow_other_workers*. Names that tell batch queues what a job needs (*memory*,
    *n_cpus*, *partition*, ...) mean nothing to Dask and are ignored; workers still stop in time if
    there is a *timelimit*.

    Parameters
    ----------
    address : path-like, optional
        Address of the cluster's scheduler, ``'tcp://host:8786'``, or its scheduler file; by default
        what Dask is configured for, such as the environment variable ``DASK_SCHEDULER_ADDRESS``.
    """

    def __init__(self, address: str | PathLike[str] | None = None) -> None:
        self.address = None if address is None else os.fspath(address)
        self._jobs: dict[JobId, JobStatus] = {}
        self._expires = 0.0

    def __getstate__(self) -> dict[str, Any]:
        return {"address": self.address}

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__init__(**state)  # type: ignore[misc]  # there are no subclasses with other arguments

    def __repr__(self) -> str:
        return f"Dask({self.address!r})" if self.address is not None else "Dask()"

    def submit(
        self,
        args: Sequence[str],
        output_filename: str,
        name: str | None = None,
        depends_on: Sequence[JobId] | None = None,
        scheduler_args: Mapping[str, Any] | None = None,
    ) -> JobId:
        """Submit a job.

        Parameters
        ----------
        args, output_filename, name, depends_on, scheduler_args
            See `Scheduler.submit`. A job that waits for others takes none of the *resources*.

        Returns
        -------
        str
            The job's id, which is its key in Dask.
        """
        jobid = _new_id(name)
        after = [key for other in depends_on or () for key in members_of(str(other))]
        spec = Spec(jobid, [str(arg) for arg in args], os.path.abspath(output_filename), after)  # noqa: PTH100 - keeps a str as it is
        self._submit([spec], resolve(scheduler_args, name))
        return jobid

    def submit_array(
        self,
        n: int,
        args: Sequence[str],
        output_filename: str,
        name: str | None = None,
        depends_on: Sequence[JobId] | None = None,
        scheduler_args: Mapping[str, Any] | None = None,
    ) -> JobId:
        """Submit several jobs at once.

        Parameters
        ----------
        n, args, output_filename, name, depends_on, scheduler_args
            See `Scheduler.submit_array`.

        Returns
        -------
        str
            The array's id.
        """
        jobid = f"{_new_id(name)}[{n}]"
        after = [key for other in depends_on or () for key in members_of(str(other))]
        output = os.path.abspath(output_filename)  # noqa: PTH100
        specs = [
            Spec(
                key,
                [arg.replace("%a", str(i)) for arg in args],
                output.replace("%a", str(i)),
                after,
            )
            for i, key in enumerate(members_of(jobid))
        ]
        self._submit(specs, resolve(scheduler_args, name))
        return jobid

    def _submit(self, specs: list[Spec], arguments: dict[str, Any]) -> None:
        options = _options(arguments)
        keys, after = [spec.key for spec in specs], specs[0].after
        if after:  # while it waits, it must not keep from running what it waits for
            options.pop("resources", None)
        with self._connected() as client:
            futures = client.map(_dask_jobs.run_job, specs, key=keys, pure=False, **options)
            deadline = time.monotonic() + _PATIENCE_WITH_JOBS
            while not client.run_on_scheduler(_dask_jobs.adopt, keys, after):
                refused = next((f for f in futures if f.status in ("error", "cancelled")), None)
                if refused is not None:
                    raise SchedulerError(f"Dask refused the job: {refused.exception()}")
                if time.monotonic() > deadline:
                    raise SchedulerError("Dask's scheduler did not take the job within a minute.")
                time.sleep(0.005)
        self._expires = 0.0

    def kill(self, jobid: JobId) -> None:
        """Kill a job or an array."""
        self.kill_all([jobid])

    def kill_all(self, jobids: Sequence[JobId]) -> None:
        """Kill several jobs; those that have ended do no harm."""
        keys = [key for jobid in jobids for key in members_of(str(jobid))]
        if not keys:
            return
        with self._connected() as client:
            places: dict[str, str | None] = client.run_on_scheduler(_dask_jobs.locate, keys)
            for worker in set(places.values()) - {None}:
                there = [key for key in places if places[key] == worker]
                running = client.run(
                    _dask_jobs.end_jobs, there, workers=[worker], on_error="ignore"
                )
                for key in running.get(worker, ()):
                    del places[key]  # it ends as soon as its processes have
            client.run_on_scheduler(_dask_jobs.release, list(places))
            for key in places:
                client.log_event(_dask_jobs.TOPIC, {"job": key, "code": None})
        self._expires = 0.0

    def get_status(self, jobid: JobId) -> JobStatus | None:
        """Return what Dask knows of a job, None if it has ended."""
        return self._list_jobs().get(jobid)

    def get_jobs(self) -> Iterable[JobId]:
        """Return the ids of all jobs that have not ended, whoever has submitted them."""
        return list(self._list_jobs())

    def refresh(self) -> None:
        """Ask Dask anew when next needed."""
        self._expires = 0.0

    def ends_of(self, jobids: Sequence[JobId]) -> dict[JobId, JobEnd]:
        """Return how jobs have ended, as far as Dask remembers."""
        keys = set(jobids) - self._list_jobs().keys()
        if not keys:
            return {}
        with self._connected() as client:
            failed = client.run_on_scheduler(_dask_jobs.list_failed, keys)
            told = [event for _, event in client.get_events(_dask_jobs.TOPIC)]
        ends = {key: _end_in_words(words) for key, words in failed.items()}
        return ends | {each["job"]: _end(each["code"]) for each in told if each["job"] in keys}

    def preview(
        self,
        args: Sequence[str],
        output_filename: str,
        name: str | None = None,
        depends_on: Sequence[JobId] | None = None,
        scheduler_args: Mapping[str, Any] | None = None,
        n: int | None = None,
    ) -> str:
        """Return what would be submitted, for people to read; nothing is submitted."""
        options = "".join(
            f", {k}={v!r}" for k, v in _options(resolve(scheduler_args, name)).items()
        )
        return f"{shlex.join(args)}  ({'1 task' if n is None else f'{n} tasks'} in Dask{options})"

    def _list_jobs(self) -> dict[JobId, JobStatus]:
        """Return the jobs that have not ended; Dask is asked at most once a second."""
        if time.monotonic() >= self._expires:
            with self._connected() as client:
                alive: dict[str, str] = client.run_on_scheduler(_dask_jobs.list_alive)
            self._jobs = {k: JobStatus(k, status, _name_of(k)) for k, status in alive.items()}
            self._expires = time.monotonic() + 1.0
        return self._jobs

    @contextmanager
    def _connected(self) -> Iterator[Any]:
        """Connect to the cluster's scheduler, which takes milliseconds."""
        address = self._find()
        from distributed import Client

        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")  # of other versions of libraries over there
                client = Client(address, timeout=_PATIENCE, set_as_default=False, name="psyrun")
        except (OSError, ValueError, ImportError) as err:
            raise SchedulerError(
                f"Dask's scheduler at {address} cannot be reached; is it running? ({err})"
            ) from err
        try:
            with client:
                yield client
        except ImportError as err:
            raise SchedulerError(
                f"Dask's scheduler at {address} lacks something ({err}); psyrun has to be "
                f"installed there and where the workers run."
            ) from err
        except (OSError, ValueError) as err:
            raise SchedulerError(f"Dask's scheduler at {address} did not answer: {err}") from err

    def _find(self) -> str:
        """Return the address of the cluster's scheduler."""
        require("distributed", "dask", "The scheduler Dask")
        if self.address is None:
            import dask

            address = os.environ.get(_VARIABLE) or dask.config.get("scheduler-address", None)
            if address is None:
                raise SchedulerError(
                    f"No Dask scheduler is named: write scheduler = Dask('tcp://host:8786') or "
                    f"Dask('scheduler.json'), or set {_VARIABLE}."
                )
            return str(address)
        if "://" in self.address or (":" in self.address and not Path(self.address).exists()):
            return self.address
        try:
            return str(json.loads(Path(self.address).read_bytes())["address"])
        except (OSError, ValueError, KeyError, TypeError) as err:
            raise SchedulerError(
                f"{self.address!r} is neither an address such as 'tcp://host:8786' nor the "
                f"scheduler file of a running Dask cluster ({type(err).__name__}: {err})."
            ) from err


def _options(arguments: Mapping[str, Any]) -> dict[str, Any]:
    """Return the arguments that Dask understands."""
    unknown = sorted(arguments.keys() - _DASK - _NO_MEANING)
    if unknown:
        raise SchedulerError(
            f"Dask has no argument {unknown[0]!r}; scheduler_args may have "
            f"{', '.join(sorted(_DASK))}."
        )
    return {k: v for k, v in arguments.items() if k in _DASK}


def _new_id(name: str | None) -> str:
    return f"{PREFIX}{name or 'job'}-{os.urandom(6).hex()}"


def _name_of(key: str) -> str:
    return key.removeprefix(PREFIX).rpartition("-")[0]


def _end(code: int | None) -> JobEnd:
    if code is None:
        return JobEnd(CANCELLED)
    return JobEnd(FAILED, f"exit code {code}") if code else JobEnd(COMPLETED)


def _end_in_words(words: str) -> JobEnd:
    if words:
        return JobEnd(FAILED, words)
    return JobEnd(NODE_FAILED, "each worker that had it has died")  # Dask has no words for that
