"""From journals to one result file, and what is known about its rows.

`history` finds what is there of a task's former runs, `ledger` which rows have been computed and
where they are, `merge` makes the result file, `record` says what it holds, `provenance` where it
comes from, and `timings` how long its rows took.
"""
