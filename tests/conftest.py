"""The covers marker: which conformance lines a test stands for. Those of passed tests go to the file that COVERED names, or to
build/covered.txt."""

import os
import pathlib

import pytest

ROOT = pathlib.Path(__file__).resolve().parents[1]
MOST = 8


def pytest_configure(config):
    config.addinivalue_line("markers", "covers(*ids): conformance lines that this test would catch if broken; at most 8")


def known_lines():
    table = ROOT / "tests" / "conformance" / "conformance.tsv"
    return {line.split("\t", 1)[0] for line in table.read_text().splitlines()[1:]}


def pytest_collection_modifyitems(items):
    known = known_lines()
    for item in items:
        ids = [i for mark in item.iter_markers("covers") for i in mark.args]
        if len(ids) > MOST:
            raise pytest.UsageError("%s names %d conformance lines, more than %d" % (item.nodeid, len(ids), MOST))
        for i in ids:
            if i not in known:
                raise pytest.UsageError("%s names the unknown conformance line %s" % (item.nodeid, i))
        item.user_properties.append(("covers", ids))


class Covered:
    """Collects the lines of tests that ran and passed in every phase: a skipped test covers nothing."""

    def __init__(self):
        self.passed, self.spoilt = {}, set()

    def pytest_runtest_logreport(self, report):
        if report.when == "call" and report.passed and not hasattr(report, "wasxfail"):
            self.passed[report.nodeid] = dict(report.user_properties).get("covers", ())
        if not report.passed:
            self.spoilt.add(report.nodeid)

    def pytest_sessionfinish(self):
        build = ROOT / "build"
        build.mkdir(exist_ok=True)
        lines = ["%s %s\n" % (i, node) for node, ids in self.passed.items() if node not in self.spoilt for i in ids]
        pathlib.Path(os.environ.get("COVERED") or build / "covered.txt").write_text("".join(sorted(lines)))


def pytest_sessionstart(session):
    session.config.pluginmanager.register(Covered(), "covered")
