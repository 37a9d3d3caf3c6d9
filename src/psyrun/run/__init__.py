"""What the psy commands do, as functions that print nothing."""

from psyrun.plan import MERGE
from psyrun.run.cleaning import clean, files_of
from psyrun.run.decision import Decision, decide
from psyrun.run.gathering import merge_directory
from psyrun.run.jobs import Jobs, jobs_of, kill, steps_of
from psyrun.run.selection import parse_rows, rows_where
from psyrun.run.submission import (
    Started,
    command_of,
    end_of,
    job_name,
    make_plan,
    progress,
    submit,
)
from psyrun.run.survey import Survey, resultfile_of, survey, workdir_of
from psyrun.run.trial import prepare_call, try_first_row

__all__ = [
    "MERGE",
    "Decision",
    "Jobs",
    "Started",
    "Survey",
    "clean",
    "command_of",
    "decide",
    "end_of",
    "files_of",
    "job_name",
    "jobs_of",
    "kill",
    "make_plan",
    "merge_directory",
    "parse_rows",
    "prepare_call",
    "progress",
    "resultfile_of",
    "rows_where",
    "steps_of",
    "submit",
    "survey",
    "try_first_row",
    "workdir_of",
]
