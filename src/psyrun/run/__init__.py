"""What the psy commands do, as functions that print nothing."""

from psyrun.plan import MERGE, steps_of
from psyrun.run.cleaning import clean, files_of
from psyrun.run.command import command_of, job_name
from psyrun.run.decision import Decision, decide
from psyrun.run.ends import Ends
from psyrun.run.forecast import Forecast, forecast, preview
from psyrun.run.gathering import merge_directory
from psyrun.run.jobs import Jobs, ends_of, jobs_of, kill
from psyrun.run.overriding import find_scheduler, override, parse_arguments
from psyrun.run.planning import Started, make_plan
from psyrun.run.selection import parse_rows, rows_where
from psyrun.run.submission import end_of, progress, submit
from psyrun.run.survey import Survey, resultfile_of, survey, workdir_of
from psyrun.run.trial import prepare_call, try_first_row

__all__ = [
    "MERGE",
    "Decision",
    "Ends",
    "Forecast",
    "Jobs",
    "Started",
    "Survey",
    "clean",
    "command_of",
    "decide",
    "end_of",
    "ends_of",
    "files_of",
    "find_scheduler",
    "forecast",
    "job_name",
    "jobs_of",
    "kill",
    "make_plan",
    "merge_directory",
    "override",
    "parse_arguments",
    "parse_rows",
    "prepare_call",
    "preview",
    "progress",
    "resultfile_of",
    "rows_where",
    "steps_of",
    "submit",
    "survey",
    "try_first_row",
    "workdir_of",
]
