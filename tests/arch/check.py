#!/usr/bin/env python3
"""The architecture test: one line a rule, and what breaks it. Ends with the counts; B names the build folder."""

import sys

import rules_build
import rules_objects
import rules_reader
import rules_source


def main():
    passed = failed = 0
    for rule in rules_source.RULES + rules_build.RULES + rules_objects.RULES + rules_reader.RULES:
        wrong = rule()
        print(("FAIL " if wrong else "ok   ") + rule.__doc__)
        for line in wrong:
            print("     " + line)
        passed, failed = passed + (not wrong), failed + bool(wrong)
    print(f"arch: {passed} passed, {failed} failed")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
