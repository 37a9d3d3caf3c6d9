"""The processes that jobs are.

A scheduler starts ``python -P -m psyrun.worker PLAN STEP``. For the step ``process:<i>`` that is a
supervisor, which takes rows from the backend and has them evaluated by child processes, so that a
row that kills its process costs just itself. The children write journals of their own; between
supervisor and child go only the bounds of the rows to do, not the rows.
"""
