#!/usr/bin/env python3
"""Measures how the documents, comments and doc comments of this project are written.

There are three measures, and each has its target.

- "wide" counts lines of comments and prose beyond 100 columns. `make check` fails for one.
  Code blocks and tables are excepted. So is a line that ends in a link or is one long literal.
- "free" counts sentences that open with a free relative clause ("What it does is ...").
  Questions are excepted. At most 5 of 1,000 sentences may open so.
- "joints" counts colons and semicolons outside of code spans, links and times.
  At most 16 in 100 sentences are fine.

Headings, tables, code blocks and definitions of links are not sentences. A list item is at least
one.
"""

import argparse
import ast
import io
import re
import signal
import subprocess
import sys
import tokenize
from dataclasses import dataclass, field
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
WIDTH = 100
MOST_FREE = 5
MOST_JOINTS = 16

HASH_SUFFIXES = {".tf", ".hcl", ".tfvars", ".toml", ".sh", ".yaml", ".yml"}
HASH_NAMES = {"Makefile", ".editorconfig", ".gitignore"}
OPENING = re.compile(r"[\s\"'“‘(*_>\[]*(what|whatever|who|whoever|whose|whether|which|whichever)\b", re.I)
SPAN = re.compile(r"(`+)(?!`).*?(?<!`)\1(?!`)", re.S)
LINK = re.compile(r"!?\[([^\[\]]*)\](?:\([^()\s]*(?:\s\"[^\"]*\")?\)|\[[^\[\]]*\])")
URL = re.compile(r"<?https?://[^\s>)]+>?")
DEFINITION = re.compile(r"\[[^\[\]]+\]:\s+\S+$")
ITEM = re.compile(r"(?:[-*+]|\d+[.)])\s+")
END = re.compile(r"[.!?…][\"'”’)*_\]]*(?=\s+[\"'“‘(*_\[]*[A-Z0-9`]|\s*$)")
ABBREVIATION = re.compile(r"(?:\b(?:e\.g|i\.e|etc|cf|vs|approx|No)|\b[A-Z])\.$")
JOINT = re.compile(r"[:;](?=[\s\"'”’)*_\]]|$)")


@dataclass
class Line:
    """A line of prose with its number, its text without markers, and the line as it is written."""

    number: int
    text: str
    whole: str
    # A comment behind code is a paragraph by itself.
    alone: bool = False


@dataclass
class Measures:
    """The measures of some files, with the places that they count."""

    lines: int = 0
    sentences: int = 0
    wide: list = field(default_factory=list)
    free: list = field(default_factory=list)
    joints: list = field(default_factory=list)

    def add(self, other):
        self.lines += other.lines
        self.sentences += other.sentences
        self.wide += other.wide
        self.free += other.free
        self.joints += other.joints


def rust_comments(source):
    """The comments of Rust source, which may be nested, outside of strings and characters."""
    found = []
    wholes = source.split("\n")
    position, number = 0, 1
    string = re.compile(r'(?:b|c)?"(?:\\.|[^"\\])*"', re.S)
    raw = re.compile(r'(?:b|c)?r(#*)".*?"\1', re.S)
    character = re.compile(r"b?'(?:\\(?:u\{[0-9a-fA-F_]+\}|x..|.)|[^\\'\n])'")
    word = re.compile(r"[A-Za-z_0-9]+")
    while position < len(source):
        if source.startswith("//", position):
            end = source.find("\n", position)
            end = len(source) if end < 0 else end
            marker = re.match(r"//+!?", source[position:end]).group()
            start = source.rfind("\n", 0, position) + 1
            alone = source[start:position].strip() != ""
            text = source[position + len(marker) : end]
            found.append((Line(number, text, wholes[number - 1], alone), marker))
            position = end
            continue
        if source.startswith("/*", position):
            depth, end = 1, position + 2
            while depth and end < len(source):
                if source.startswith("/*", end):
                    depth, end = depth + 1, end + 2
                elif source.startswith("*/", end):
                    depth, end = depth - 1, end + 2
                else:
                    end += 1
            for offset, text in enumerate(source[position:end].split("\n")):
                text = re.sub(r"^\s*/?\*+!?|\*/$", "", text)
                found.append((Line(number + offset, text, wholes[number + offset - 1]), "/*"))
            number += source.count("\n", position, end)
            position = end
            continue
        literals = (pattern.match(source, position) for pattern in (raw, string, character, word))
        literal = next(filter(None, literals), None)
        end = literal.end() if literal else position + 1
        number += source.count("\n", position, end)
        position = end
    return marked(found)


def marked(found):
    """Lines between which one of another marker, or of none, begins a new paragraph."""
    lines, last = [], None
    for line, marker in found:
        if last and (last[1] != marker or last[0].number + 1 != line.number or line.alone):
            lines.append(Line(line.number, "", ""))
        if last and last[0].alone and not lines[-1].text == "":
            lines.append(Line(line.number, "", ""))
        lines.append(line)
        last = (line, marker)
    return lines


def hash_comments(source):
    """The comments that begin with `#`, at a line's start or after a blank outside of quotes."""
    found = []
    for number, whole in enumerate(source.split("\n"), 1):
        quote, at = None, None
        for index, char in enumerate(whole):
            if quote:
                quote = None if char == quote and whole[index - 1] != "\\" else quote
            elif char in "\"'" and (index == 0 or not whole[index - 1].isalnum()):
                quote = char
            elif char == "#" and (index == 0 or whole[index - 1].isspace()):
                at = index
                break
        if at is None or (number == 1 and whole.startswith("#!")):
            continue
        text = whole[at:].lstrip("#")
        found.append((Line(number, text, whole, whole[:at].strip() != ""), "#"))
    return marked(found)


def python_comments(source):
    """The comments and docstrings of Python source."""
    wholes = source.split("\n")
    found = []
    for token in tokenize.generate_tokens(io.StringIO(source).readline):
        number = token.start[0]
        if token.type == tokenize.COMMENT and not token.string.startswith("#!"):
            alone = token.line[: token.start[1]].strip() != ""
            found.append((Line(number, token.string.lstrip("#"), wholes[number - 1], alone), "#"))
    for node in ast.walk(ast.parse(source)):
        if not isinstance(node, (ast.Module, ast.ClassDef, ast.FunctionDef, ast.AsyncFunctionDef)):
            continue
        if ast.get_docstring(node) is None:
            continue
        literal = node.body[0].value
        for number in range(literal.lineno, literal.end_lineno + 1):
            text = wholes[number - 1].strip().removeprefix('r"""').removeprefix('"""').removesuffix('"""')
            found.append((Line(number, " " + text, wholes[number - 1]), '"""'))
    return marked(sorted(found, key=lambda entry: entry[0].number))


def lines_of(path, source):
    """The lines of prose of a file, or nothing if it is of no kind that is measured."""
    if path.suffix == ".md":
        return [Line(number, " " + whole, whole) for number, whole in enumerate(source.split("\n"), 1)]
    if path.suffix == ".rs":
        return rust_comments(source)
    first = source.split("\n", 1)[0]
    if path.suffix == ".py" or (first.startswith("#!") and "python" in first):
        return python_comments(source)
    if path.suffix in HASH_SUFFIXES or path.name in HASH_NAMES or re.match(r"#!.*sh\b", first):
        return hash_comments(source)
    return []


def is_wide(line):
    """True if a line is beyond the width, and could have been broken within it."""
    whole = line.whole.rstrip()
    if len(whole) <= WIDTH:
        return False
    for pattern in (LINK, URL):
        for link in pattern.finditer(whole):
            if link.end() > WIDTH >= link.start() and not whole[link.end() :].strip("`.,;:)*_"):
                return False
    words = SPAN.sub(lambda span: re.sub(r"\s", "_", span.group()), whole).split()
    return not any("`" in word and len(word) > WIDTH - 12 for word in words)


def cleaned(text):
    """A paragraph whose code spans, links' targets and addresses are blanked letter by letter."""

    def blank(match):
        return re.sub(r"[^\n]", "X", match.group())

    text = SPAN.sub(blank, text)
    text = LINK.sub(lambda link: " " + link.group(1) + " " * (len(link.group()) - len(link.group(1)) - 1), text)
    text = URL.sub(blank, text)
    return text


def sentences(text):
    """The sentences of a cleaned paragraph, each with its place in it."""
    start = 0
    for end in END.finditer(text):
        if ABBREVIATION.search(text[start : end.start() + 1]):
            continue
        yield start, text[start : end.end()]
        start = end.end()
    if text[start:].strip():
        yield start, text[start:]


def measure(path, source):
    """The measures of one file."""
    measures = Measures()
    lines = lines_of(path, source)
    paragraph, fenced = [], False

    def close():
        text = cleaned("\n".join(line.text for line in paragraph))
        for start, sentence in sentences(text):
            if not re.search(r"[A-Za-z]{2}", sentence):
                continue
            measures.sentences += 1
            lead = len(sentence) - len(sentence.lstrip())

            def place(offset):
                line = paragraph[text.count("\n", 0, start + offset)]
                return (path, line.number, " ".join(sentence.split()))

            if OPENING.match(sentence) and not sentence.rstrip("\"'”’)*_ \n").endswith("?"):
                measures.free.append(place(lead))
            for joint in JOINT.finditer(sentence):
                measures.joints.append(place(joint.start()))
        paragraph.clear()

    for line in lines:
        text = line.text.strip()
        if text.startswith(("```", "~~~")):
            close()
            fenced = not fenced
            continue
        if fenced:
            continue
        if text:
            measures.lines += 1
        if text.startswith("|") or text.startswith("<!--"):
            close()
            continue
        if is_wide(line):
            measures.wide.append((path, line.number, f"{len(line.whole.rstrip())} columns"))
        if not text or DEFINITION.match(text) or re.match(r"#+\s", text) or re.fullmatch(r"[-=*_]{3,}", text):
            close()
            continue
        item = ITEM.match(text)
        if item or line.alone:
            close()
        if item:
            line = Line(line.number, text[item.end() :], line.whole)
        paragraph.append(line)
    close()
    return measures


def group_of(path):
    """The name under which a file is measured."""
    parts = path.parts
    if path.suffix == ".md" and len(parts) == 1:
        return path.name
    if parts[0] == "docs":
        return str(path)
    if path.suffix == ".md":
        return "crates' READMEs"
    if parts[0] == "crates" and len(parts) > 2:
        return f"crates/{parts[1]}"
    if parts[:2] == ("tests", "simulation"):
        return "tests/simulation"
    return parts[0] if len(parts) > 1 else "(root)"


def files(paths):
    """The files at or below these paths that are under version control, or are about to be."""
    listed = subprocess.run(
        ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard", "--", *paths],
        cwd=ROOT, capture_output=True, text=True, check=True,
    ).stdout
    return sorted(Path(name) for name in set(listed.split("\0")) if name and (ROOT / name).is_file())


def relative(path):
    """A path of the working folder as a path of the repository."""
    return str(Path(path).resolve().relative_to(ROOT))


def main(arguments=None):
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    mode = parser.add_mutually_exclusive_group()
    mode.add_argument("--list", action="store_true", help="name each place that the measures count")
    mode.add_argument("--width", action="store_true", help="name each wide line, and fail if there is one")
    parser.add_argument("paths", nargs="*", help="files or folders; everything if none")
    options = parser.parse_args(arguments)

    groups, total = {}, Measures()
    for path in files([relative(path) for path in options.paths]):
        try:
            source = (ROOT / path).read_text(encoding="utf-8")
        except UnicodeDecodeError:
            continue
        found = measure(path, source)
        if found.lines:
            groups.setdefault(group_of(path), Measures()).add(found)
            total.add(found)

    if options.width or options.list:
        kinds = {"wide": total.wide}
        if options.list:
            kinds |= {"free": total.free, "joint": total.joints}
        named = [(place[0], place[1], kind, place[2]) for kind, places in kinds.items() for place in places]
        for path, number, kind, text in sorted(named):
            print(f"{path}:{number}: {kind}: {text}")
    if options.width:
        return 1 if total.wide else 0
    print(f"{'':32}{'lines':>8}{'wide':>8}{'sentences':>11}{'free/1000':>11}{'joints/100':>12}")
    for name, found in [*sorted(groups.items()), ("all", total)]:
        count = max(found.sentences, 1)
        free, joints = 1000 * len(found.free) / count, 100 * len(found.joints) / count
        print(f"{name:32}{found.lines:8}{len(found.wide):8}{found.sentences:11}{free:11.1f}{joints:12.1f}")
    print(f"{'target':32}{'':8}{0:8}{'':11}{MOST_FREE:11.1f}{MOST_JOINTS:12.1f}")
    return 0


if __name__ == "__main__":
    signal.signal(signal.SIGPIPE, signal.SIG_DFL)  # `| head` ends it in silence.
    sys.exit(main())
