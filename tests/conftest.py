"""What all tests share."""

import atexit
import os
import shutil
import tempfile
from collections.abc import Iterator

import pytest
from hypothesis import HealthCheck, settings

# Machines may be busy; what takes long is not wrong.
settings.register_profile("psyrun", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("psyrun")

# What the tests' schedulers tell is no business of the user's own commands.
os.environ["XDG_CACHE_HOME"] = tempfile.mkdtemp(prefix="psyrun-tests-cache-")
atexit.register(shutil.rmtree, os.environ["XDG_CACHE_HOME"], ignore_errors=True)

collect_ignore = ["clusters/standins"]  # programs, not tests

REQUIRE_ALL = bool(os.environ.get("PSYRUN_TESTS_REQUIRE_ALL"))


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(
    item: pytest.Item, call: pytest.CallInfo[None]
) -> Iterator[pytest.TestReport]:
    """Turn a skip into a failure where everything is required."""
    report = yield
    if REQUIRE_ALL and report.skipped:
        report.outcome = "failed"
        report.longrepr = f"skipped, but everything is required here: {report.longrepr}"
    return report
