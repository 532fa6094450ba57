#!/usr/bin/env python3
"""Which requirement lines the last run of the tests covered, by section, and which are open.

Reads conformance.tsv (the lines), not-applicable.tsv (lines with a reason from a fixed list) and what passed tests named:
build/covered.txt ("ID test" lines) and, if it is there, build/unit-covers.txt ("covers: ID ..." lines). A line that is
listed as not applicable and covered all the same counts as applicable. Ends with one line of totals; the status is 1 if
the lists themselves are wrong.
"""

import pathlib
import sys

HERE = pathlib.Path(__file__).resolve().parent
BUILD = HERE.parents[1] / "build"
REASONS = ("role not built", "feature of a later issue", "the device's side")
WIDTH = 150


def table(path):
    head, *rows = [line.split("\t") for line in path.read_text().splitlines()]
    return [dict(zip(head, row)) for row in rows]


def covered_lines():
    """{id: set of tests}"""
    out = {}
    for name in ("covered.txt", "unit-covers.txt"):
        path = BUILD / name
        if not path.exists():
            continue
        for line in path.read_text().splitlines():
            words = line.split()
            if words[:1] == ["covers:"]:
                pairs = [(i, "unit") for i in words[1:]]
            else:
                pairs = [(words[0], " ".join(words[1:]))] if words else []
            for i, test in pairs:
                out.setdefault(i, set()).add(test)
    return out


def main():
    lines = table(HERE / "conformance.tsv")
    known = {line["id"] for line in lines}
    excused = {row["id"]: row for row in table(HERE / "not-applicable.tsv")}
    covered = covered_lines()
    wrong = ["unknown line %s covered by %s" % (i, ", ".join(sorted(t))) for i, t in covered.items() if i not in known]
    wrong += ["unknown line %s is excused" % i for i in excused if i not in known]
    wrong += ["%s: %r is no reason" % (i, row["reason"]) for i, row in excused.items() if row["reason"] not in REASONS]

    sections, open_lines = {}, []
    for line in lines:
        i = line["id"]
        name = line["subsection"] or line["section"]
        done, applicable, all_ = sections.get(name, (0, 0, 0))
        is_covered = i in covered
        is_applicable = is_covered or i not in excused
        sections[name] = (done + is_covered, applicable + is_applicable, all_ + 1)
        if is_applicable and not is_covered:
            open_lines.append(line)

    print("%-84s %8s %10s %6s" % ("section", "covered", "applicable", "total"))
    for name, counts in sections.items():
        print("%-84s %8d %10d %6d" % ((name[:84],) + counts))
    print()
    for reason in REASONS:
        print("not applicable, %-26s %4d" % (reason + ":", sum(
            row["reason"] == reason for i, row in excused.items() if i not in covered)))
    print()
    for line in open_lines:
        print(("open  %-18s %-10s %s" % (line["id"], line["level"][:10], line["requirement"]))[:WIDTH])
    for text in wrong:
        print("wrong: " + text)
    print("covered=%d applicable=%d total=%d" % tuple(map(sum, zip(*sections.values()))))
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
