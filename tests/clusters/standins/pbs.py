"""qsub, qstat, qselect and qdel as PBS Pro has them; the jobs are run by the engine."""

import getopt
import json
import os
import re
import sys
import time

from engine import ask, spool

SERVER = "pbs"
USAGE = """usage: qsub [-a date_time] [-A account_string] [-c interval]
\t[-C directive_prefix] [-e path] [-f ] [-h ] [-I [-X]] [-j oe|eo] [-J X-Y[:Z]]
\t[-k keep] [-l resource_list] [-m mail_options] [-M user_list]
\t[-N jobname] [-o path] [-p priority] [-P project] [-q queue] [-r y|n]
\t[-R o|e|oe] [-S path] [-u user_list] [-W otherattributes=value...]
\t[-v variable_list] [-V ] [-z] [script | -- command [arg1 ...]]
       qsub --version"""
RESOURCES = {"select", "place", "walltime", "ncpus", "mem", "vmem", "cput", "ngpus", "mpiprocs"}
QUEUES = {"workq", "short"}
MAX_ARRAY_SIZE = 10000
NUMBERS = {"running": "R", "queued": "Q", "waiting": "H", "ended": "F"}
CODES = {"time": -29, "memory": -27, "node": -20}


def refuse(words, code=1):
    sys.stderr.write(words + "\n")
    sys.exit(code)


def qsub(directory, argv):
    try:
        found, rest = getopt.getopt(argv, "a:A:c:C:e:fhIj:J:k:l:m:M:N:o:p:P:q:r:R:S:u:v:VW:z")
    except getopt.GetoptError as err:
        refuse(f"qsub: invalid option -- '{err.opt}'\n{USAGE}", 2)
    if rest not in ([], ["-"]):
        refuse(f"qsub: script file:: No such file or directory: {rest[0]}", 1)
    options = dict(found)
    resources = {}
    for name, value in found:
        if name == "-l":
            resources.update(piece.partition("=")[::2] for piece in value.split(","))
    check(options, resources)
    n, first, throttle = None, 0, None
    if "-J" in options:
        first, last, throttle = re.fullmatch(r"(\d+)-(\d+)(?:%(\d+))?", options["-J"]).groups()
        first, n = int(first), int(last) - int(first) + 1
    variables = {"PBS_O_WORKDIR": os.getcwd(), "PBS_O_HOME": os.environ.get("HOME", "/")}
    for piece in filter(None, options.get("-v", "").split(",")):
        name, equals, value = piece.partition("=")
        variables[name] = value if equals else os.environ.get(name, "")
    if "-V" in options:
        variables |= os.environ
    number = ask(
        directory,
        "submit",
        job={
            "command": [options.get("-S", "/bin/sh"), spool(directory, sys.stdin.read())],
            "name": options.get("-N", "STDIN"),
            "output": options.get("-o"),
            "after": dependencies(directory, options.get("-W", "")),
            "limit": seconds(resources["walltime"]) if "walltime" in resources else None,
            "directory": os.path.expanduser("~"),
            "environment": {"PATH": "/usr/bin:/bin", "HOME": variables["PBS_O_HOME"]}
            | {"PBS_ENVIRONMENT": "PBS_BATCH", "PBS_JOBID": "@NUMBER@", **variables}
            | ({"PBS_ARRAY_INDEX": "@INDEX@"} if n else {}),
            "options": options,
            "resources": resources,
            "variables": variables,
            "queue": options.get("-q", "workq"),
        },
        n=n,
        first=first,
        throttle=int(throttle) if throttle else None,
    )
    print(f"{number}[].{SERVER}" if n else f"{number}.{SERVER}")


def check(options, resources):
    """Refuse what PBS refuses."""
    name = options.get("-N", "a")
    if not re.fullmatch(r"[A-Za-z][\w.+-]*", name) or len(name) > 230:
        refuse("qsub: illegal -N value", 1)
    for resource in resources:
        if resource not in RESOURCES:
            refuse(f"qsub: Unknown resource Resource_List.{resource}", 170)
    if "walltime" in resources and seconds(resources["walltime"]) is None:
        refuse("qsub: Illegal attribute or resource value Resource_List.walltime", 170)
    chunk = resources.get("select", "1")
    if not re.fullmatch(
        r"\d+(:(ncpus|ngpus|mpiprocs)=\d+|:(mem|vmem)=\d+[kmgt]?b|:\w+=\w+)*", chunk
    ):
        refuse("qsub: Illegal attribute or resource value Resource_List.select", 170)
    if options.get("-q", "workq") not in QUEUES:
        refuse("qsub: Unknown queue", 170)
    if "-J" in options:
        match = re.fullmatch(r"(\d+)-(\d+)(?:%(\d+))?", options["-J"])
        if match is None or int(match[1]) >= int(match[2]):  # an array of one is none
            refuse("qsub: illegal -J value", 1)
        if int(match[2]) - int(match[1]) >= MAX_ARRAY_SIZE:
            refuse("qsub: Array job exceeds server or queue size limit", 170)


def seconds(walltime):
    if not re.fullmatch(r"\d+(:\d+){0,2}", walltime):
        return None
    total = 0
    for part in walltime.split(":"):
        total = 60 * total + int(part)
    return total


def dependencies(directory, attributes):
    after = []
    if attributes.startswith("depend=afterany:"):
        known = {job["number"] for job in ask(directory, "list")}
        for jobid in attributes.removeprefix("depend=afterany:").split(":"):
            number, index = parse(jobid, "qsub")
            if number not in known:
                refuse("qsub: Invalid Job Dependency", 170)
            after.append([number, index])
    elif attributes:
        refuse("qsub: illegal -W value", 1)
    return after


def parse(jobid, program):
    """Return number and index of an id such as ``12[3].pbs``."""
    match = re.fullmatch(rf"(\d+)(?:\[(\d*)\])?(?:\.{SERVER})?", jobid)
    if match is None:
        refuse(f"{program}: illegally formed job identifier: {jobid}", 1)
    return int(match[1]), int(match[2]) if match[2] else None


def id_of(job):
    index = "" if job["index"] is None else f"[{job['index']}]"
    return f"{job['number']}{index}.{SERVER}"


def qdel(directory, argv):
    ids = getopt.getopt(argv, "xW:")[1]
    code = 0
    for jobid in ids:
        number, index = parse(jobid, "qdel")
        jobs = [
            job
            for job in ask(directory, "list")
            if job["number"] == number and index in (None, job["index"])
        ]
        if not jobs:
            sys.stderr.write(f"qdel: Unknown Job Id {jobid}\n")
            code = 153
        elif all(job["state"] == "ended" for job in jobs):
            sys.stderr.write(f"qdel: Job has finished {jobid}\n")
            code = 35
        else:
            ask(directory, "end", number=number, index=index)
    sys.exit(code)


def qselect(directory, argv):
    options = dict(getopt.getopt(argv, "u:xT")[0])
    shown = []
    for job in ask(directory, "list"):
        if job["state"] != "ended" or "-x" in options:
            index = "" if job["index"] is None else "[]"
            shown.append(f"{job['number']}{index}.{SERVER}")
    print("\n".join(dict.fromkeys(shown)))


def qstat(directory, argv):
    try:
        found, ids = getopt.getopt(argv, "BfF:xtwJ")
    except getopt.GetoptError as err:
        refuse(f"qstat: invalid option -- '{err.opt}'\nusage: qstat [-f] [-x] ...", 2)
    options = dict(found)
    if options.get("-F") != "json" or "-f" not in options:
        refuse("this stand-in prints JSON only", 2)
    content = {"timestamp": int(time.time()), "pbs_version": "22.05.11", "pbs_server": SERVER}
    if "-B" in options:
        server = {"server_state": "Active", "max_array_size": MAX_ARRAY_SIZE}
        print(json.dumps(content | {"Server": {SERVER: server}}, indent=4))
        return
    jobs, code, shown = ask(directory, "list"), 0, {}
    for jobid in ids or dict.fromkeys(id_of({**job, "index": None}) for job in jobs):
        number, index = parse(jobid, "qstat")
        found = [j for j in jobs if j["number"] == number and index in (None, j["index"])]
        whole = all(j["state"] == "ended" for j in jobs if j["number"] == number)
        if not found:
            sys.stderr.write(f"qstat: Unknown Job Id {jobid}\n")
            code = 153
        elif whole and "-x" not in options:
            if ids:
                sys.stderr.write(
                    f"qstat: {jobid} Job has finished, use -x or -H to obtain historical job "
                    "information\n"
                )
                code = 35
        else:
            if found[0]["index"] is not None and index is None:
                shown[f"{number}[].{SERVER}"] = attributes_of_array(found, whole)
            if found[0]["index"] is None or index is not None or "-t" in options:
                shown.update({id_of(job): attributes(job, whole) for job in found})
    print(json.dumps(content | ({"Jobs": shown} if shown else {}), indent=4))
    sys.exit(code)


def attributes_of_array(jobs, whole):
    states = [job["state"] for job in jobs]
    began = whole or "running" in states or "ended" in states
    shown = common(jobs[0]) | {"job_state": "F" if whole else "B" if began else "Q"}
    if all(state == "waiting" for state in states):
        shown["job_state"] = "H"
    counts = [states.count("queued") + states.count("waiting"), states.count("running"), 0]
    words = "Queued:{} Running:{} Exiting:{} Expired:{} ".format(*counts, states.count("ended"))
    last = jobs[-1]["index"]
    return shown | {
        "array": "True",
        "array_state_count": words,
        "array_indices_submitted": f"{jobs[0]['index']}-{last}",
    }


def attributes(job, whole):
    shown = common(job) | {"job_state": NUMBERS[job["state"]]}
    if job["index"] is not None:
        shown |= {"array_id": f"{job['number']}[].{SERVER}", "array_index": job["index"]}
        if job["state"] == "ended" and not whole:
            shown["job_state"] = "X"
    if job["state"] == "ended":
        code = job["code"]
        if job["why"] in CODES:
            code = CODES[job["why"]]
        elif code is not None and code < 0:
            code = 256 - code
        ran = f"Job run at {time.strftime('%a %b %d at %H:%M')} on (host:ncpus=1)"
        how = "terminated" if job["why"] == "killed" else "failed" if code else "finished"
        shown["comment"] = f"{ran} and {how}" if "started" in job else "Not Running and terminated"
        shown["substate"] = {"terminated": 91, "failed": 93, "finished": 92}[how]
        if code is not None:
            shown["Exit_status"] = code
    elif job["state"] == "waiting":
        shown |= {"Hold_Types": "s", "substate": 22}
    return shown


def common(job):
    return {
        "Job_Name": job["name"],
        "Job_Owner": f"{os.environ.get('USER', 'root')}@host",
        "queue": job["queue"],
        "server": SERVER,
        "ctime": time.strftime("%a %b %d %H:%M:%S %Y", time.localtime(job["submitted"])),
        "Hold_Types": "n",
        "Join_Path": "oe",
        "Rerunable": "True",
        "Resource_List": job["resources"],
        "Variable_List": job["variables"],
        "substate": 42 if job["state"] == "running" else 10,
        "project": "_pbs_project_default",
    }
