"""Reading the project's sources for the architecture rules: lists of files, text without comments, functions."""

import os
import re
import subprocess

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
PRODUCT = ("base", "coap", "translate", "oscore", "conf", "proxy")

# A comment, a string or a character constant: what a search for code has to step over.
LEXEME = re.compile(r'/\*.*?\*/|//[^\n]*|"(?:\\.|[^"\\\n])*"|\'(?:\\.|[^\'\\\n])*\'', re.S)
INCLUDE = re.compile(r'^[ \t]*#[ \t]*include[ \t]*([<"])([^>"]+)[>"]', re.M)


def tracked_files():
    """Every file of the project by its path from the root: what git knows and what is new but not ignored."""
    command = ["git", "-C", ROOT, "ls-files", "--cached", "--others", "--exclude-standard"]
    listed = subprocess.run(command, capture_output=True, text=True, check=False)
    if listed.returncode == 0:
        names = listed.stdout.split("\n")
    else:  # an unpacked archive
        names = [os.path.relpath(os.path.join(folder, name), ROOT) for folder, _, files in os.walk(ROOT) for name in files]
        names = [n for n in names if not n.startswith(("build" + os.sep, ".git" + os.sep))]
    return sorted({n for n in names if n and os.path.isfile(os.path.join(ROOT, n))})


def files_in(rooms, *endings):
    return [n for n in tracked_files() if n.split("/")[0] in rooms and n.endswith(endings)]


def read(name):
    with open(os.path.join(ROOT, name), encoding="utf-8", errors="replace") as file:
        return file.read()


def code(name):
    """The text without its comments; every line keeps its number."""

    def blank(match):
        text = match.group(0)
        return text if text[0] in "\"'" else re.sub(r"[^\n]", " ", text)

    return LEXEME.sub(blank, read(name))


def includes(name):
    """(quoted, path) of each include line."""
    return [(m.group(1) == '"', m.group(2)) for m in INCLUDE.finditer(code(name))]


def lines_matching(name, pattern, text=None):
    """(line number, match) of each place."""
    text = code(name) if text is None else text
    return [(text.count("\n", 0, m.start()) + 1, m) for m in re.finditer(pattern, text)]


def functions(name):
    """(function, lines) of each function: a body opens with '{' in the first column and ends with '}' there."""
    start, title, found = 0, "", []
    for number, line in enumerate(code(name).split("\n"), 1):
        if line.startswith("{"):
            start = number
        elif line.startswith("}"):
            if start:
                found.append((title, number - start + 1))
            start = 0
        elif re.match(r"[A-Za-z_].*\(", line):
            title = re.match(r"[^(]*?(\w+)\(", line).group(1) if re.match(r"[^(]*?(\w+)\(", line) else line
    return found
