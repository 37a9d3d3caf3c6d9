"""Merging: journals in, one result file out."""

import json
from collections.abc import Iterator
from typing import Any

from psyrun.exceptions import StoreError, TaskBusyError
from psyrun.files import Fingerprint, put_copy, replacing, sync, write_whole
from psyrun.jobstate import is_running, read_states
from psyrun.journal import JournalWriter
from psyrun.merging.history import History, Origin
from psyrun.merging.ledger import Ledger
from psyrun.merging.provenance import provenance
from psyrun.merging.reading import read_ledger
from psyrun.merging.record import Record, is_foreign
from psyrun.plan import MERGE, Brief, Plan, Source
from psyrun.pspace import MISSING, ParameterSpace
from psyrun.workdir import PlanDir, Workdir

_CHUNK = 1 << 16
"""Rows that are brought into order at a time."""


class ResultTable:
    """The table of the completed rows, in the space's order.

    Parameters
    ----------
    ledger : Ledger
        Where the rows are.
    space : ParameterSpace
        Their space.
    exclude : list of str
        Columns to leave out.

    Attributes
    ----------
    outputs : list of str
        Columns that the function returned, known when all chunks have been taken.
    """

    def __init__(self, ledger: Ledger, space: ParameterSpace, exclude: list[str]) -> None:
        self._ledger, self._space, self._exclude = ledger, space, exclude
        self._outputs: dict[str, None] = {}

    @property
    def outputs(self) -> list[str]:
        """Columns that the function returned."""
        return list(self._outputs)

    def chunks(self) -> Iterator[dict[str, list[Any]]]:
        """Iterate over the table.

        Yields
        ------
        dict of str to list
            Columns: the parameters, overridden and followed by what the function returned. There
            is one chunk at least, so that the names of an empty space's parameters are kept.
        """
        completed = self._ledger.completed
        for start in range(0, max(len(completed), 1), _CHUNK):
            stop = min(start + _CHUNK, len(completed))
            columns: dict[str, list[Any]] = self._space[completed.slice(start, stop)].build()
            results = self._ledger.results(start, stop)
            self._outputs |= _override(columns, results)
            yield {name: column for name, column in columns.items() if name not in self._exclude}


def _override(columns: dict[str, list[Any]], results: list[dict[str, Any]]) -> dict[str, None]:
    """Add the results of rows to the columns of their parameters; return the results' names."""
    if not results:
        return {}
    names = dict.fromkeys(results[0])
    if all(result.keys() == names.keys() for result in results):
        for name in names:
            columns[name] = [result[name] for result in results]
        return names
    names = dict.fromkeys(name for result in results for name in result)
    for name in names:
        fallback = columns.get(name, [MISSING] * len(results))
        columns[name] = [
            result.get(name, other) for result, other in zip(results, fallback, strict=True)
        ]
    return names


def merge_plan(workdir: Workdir, brief: Brief, plan: Plan, files: PlanDir) -> Ledger:
    """Merge what a plan's jobs have computed, and what it builds on, into the result file.

    What is complete is written, whatever is missing. The former result stands until the new one
    does. Afterwards the journals are not needed any more and are deleted, as are former plans.

    Parameters
    ----------
    workdir, brief, plan, files : Workdir, Brief, Plan, PlanDir
        The plan.

    Returns
    -------
    Ledger
        What was found.

    Raises
    ------
    TaskBusyError
        If there is a newer plan.
    StoreError
        If the store cannot hold the rows together, a file that psyrun has not left there so is in
        the result's place, or rows that the plan builds on cannot be found.
    OSError
        If the result cannot be written; nothing is lost then.
    """
    _refuse_if_superseded(workdir, brief, files)
    history, ledger = read_ledger(
        workdir, lambda found: _sources(found.origins, plan, files.plan_id), newest=files.head
    )
    _refuse_to_overwrite(brief, plan, history.record)
    _refuse_to_lose(brief, plan, history)
    plan.resultfile.parent.mkdir(parents=True, exist_ok=True)
    with replacing(plan.resultfile) as temporary:
        table = ResultTable(ledger, plan.space, plan.exclude)
        plan.store.save_chunks(str(temporary), table.chunks())
        _keep_failures(workdir, ledger, files.plan_id)
        Record(
            plan_id=files.plan_id,
            run=brief.run,
            digest=plan.digest,
            space=plan.space,
            rows=ledger.completed,
            outputs=table.outputs,
            resultfile=plan.resultfile,
            store=plan.store,
            fingerprint=Fingerprint.of(temporary),
        ).write(workdir)
        timings = ledger.timings()
        timings.save(workdir.timings_of(files.plan_id))
        sync(temporary)  # which may take long, and then the task may have been started over
        _refuse_if_superseded(workdir, brief, files)
    put_copy(workdir.timings_of(files.plan_id), workdir.timings)
    told = provenance(brief, plan, ledger, timings, files.environment)
    write_whole(workdir.provenance, (json.dumps(told, indent=2) + "\n").encode())
    _clean_up(workdir, plan, files, history, ledger)
    return ledger


def _refuse_if_superseded(workdir: Workdir, brief: Brief, files: PlanDir) -> None:
    if not workdir.is_newest(files):
        raise TaskBusyError(
            f"Plan {files.plan_id} of task {brief.task!r} is not the newest one any more, so it "
            f"is not merged."
        )


def _refuse_to_overwrite(brief: Brief, plan: Plan, record: Record | None) -> None:
    if is_foreign(plan.resultfile, record):
        raise StoreError(
            f"The result file {plan.resultfile} is not as psyrun left it, and is not overwritten: "
            f"move it away, and have the computed rows merged with 'psy run {brief.task}'."
        )


def _sources(origins: list[Origin], plan: Plan, plan_id: str) -> list[Source]:
    known = {(source.plan_id, source.merged): source for source in plan.sources}
    return [
        known.get((origin.plan_id, origin.record is not None))
        or Source(plan_id, origin.record is not None)
        for origin in origins
    ]


def _refuse_to_lose(brief: Brief, plan: Plan, history: History) -> None:
    """Refuse to write a result without rows that the plan has not to do because they were there."""
    found = {(origin.plan_id, origin.record is not None) for origin in history.origins}
    if history.merged:
        return
    for source in plan.sources:
        if (source.plan_id, source.merged) not in found:
            where = "the result file" if source.merged else "its journals"
            raise StoreError(
                f"Rows that were completed by plan {source.plan_id} of task {brief.task!r} cannot "
                f"be found in {where} any more, so nothing was merged; go on with "
                f"'psy run {brief.task}'."
            )


def _keep_failures(workdir: Workdir, ledger: Ledger, plan_id: str) -> None:
    path = workdir.failed(plan_id)
    path.parent.mkdir(parents=True, exist_ok=True)
    with replacing(path) as temporary:
        journal = JournalWriter(temporary, plan_id)
        ledger.copy_failures(journal)
        journal.close()


def _clean_up(
    workdir: Workdir, plan: Plan, files: PlanDir, history: History, ledger: Ledger
) -> None:
    """Delete what the new result has taken the place of."""
    former = history.record
    workdir.remove_states_but(files.plan_id)
    if (
        former is not None
        and former.resultfile != plan.resultfile
        and former.resultfile.parent == workdir.path
    ):
        former.resultfile.unlink(missing_ok=True)
    ledger.remove_journals()
    # Rows that this merge has not seen yet are left for the next one.
    earlier = {origin.plan_id for origin in history.origins} - {files.plan_id}
    workdir.remove_plans_before(files, needed=earlier)
    if not running_steps(files):
        files.remove_claims()


def running_steps(files: PlanDir) -> list[str]:
    """Return the process steps of a plan that are still at work."""
    return [
        state.step
        for path, state in read_states(files.all_jobs())
        if state.step != MERGE and is_running(state, path)
    ]


def summary(ledger: Ledger, total: int) -> str:
    """Say in one line what a merge has found."""
    completed, failed = len(ledger.completed), len(ledger.failed)
    pending = total - completed - failed
    parts = [f"{completed} of {total} rows completed"]
    if failed:
        parts.append(f"{failed} failed")
    if pending:
        parts.append(f"{pending} pending")
    return ", ".join(parts)


def describe_damages(ledger: Ledger) -> list[str]:
    """Say which parts of journals could not be read."""
    return [
        f"{damage.path} {'ends in a torn row' if damage.torn else 'is damaged'} "
        f"(bytes {damage.start} to {damage.stop}); rows lost there are evaluated again."
        for damage in ledger.damages
    ]
