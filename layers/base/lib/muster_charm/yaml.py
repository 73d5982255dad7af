"""Reads the part of YAML that charm files use, since Python's own library has none.

Block and flow maps and lists, plain and quoted scalars, `|` and `>` blocks, comments, and the
explicit `!!bool`, `!!int`, `!!float`, `!!null`, `!!str` tags. Anchors, merge keys and several
documents are refused with the line number: what is not understood is never guessed.
"""

import re


class YamlError(Exception):
    """The text is not YAML, or uses a part of it that is not read here."""


def load(text):
    """The value of a YAML text; `{}` when it is empty."""
    reader = _Reader(text)
    if reader.at_end():
        return {}
    value = reader.node(reader.indent())
    if not reader.at_end():
        raise YamlError(f"line {reader.number()}: unexpected text")
    return value


_KEY = re.compile(r"""(?P<key>"(?:[^"\\]|\\.)*"|'(?:[^']|'')*'|[^\s#\[\]{}&*!|>'"%@`,][^#]*?)\s*:(?:\s+|$)""")
_INT = re.compile(r"[-+]?[0-9]+\Z")
_FLOAT = re.compile(r"[-+]?(?:[0-9]*\.[0-9]+|[0-9]+\.?)(?:[eE][-+]?[0-9]+)?\Z")
_WORDS = {"true": True, "True": True, "TRUE": True, "false": False, "False": False, "FALSE": False}
_NULLS = ("", "~", "null", "Null", "NULL")
_ESCAPES = {"n": "\n", "t": "\t", "r": "\r", "0": "\0", '"': '"', "\\": "\\", "/": "/", "e": "\x1b", " ": " "}


class _Reader:
    def __init__(self, text):
        self.lines = []
        for number, line in enumerate(text.splitlines(), 1):
            if line.startswith("---") and not self.lines:
                continue
            if line.startswith(("---", "...", "%")):
                raise YamlError(f"line {number}: only one document is read")
            if "\t" in line[: len(line) - len(line.lstrip())]:
                raise YamlError(f"line {number}: a tab indents")
            self.lines.append((number, line))
        self.at = 0

    def at_end(self):
        while self.at < len(self.lines) and _bare(self.lines[self.at][1]):
            self.at += 1
        return self.at >= len(self.lines)

    def number(self):
        return self.lines[self.at][0]

    def indent(self):
        line = self.lines[self.at][1]
        return len(line) - len(line.lstrip(" "))

    def node(self, indent):
        line = self.lines[self.at][1][indent:]
        if line == "-" or line.startswith("- "):
            return self.sequence(indent)
        if _KEY.match(line):
            return self.mapping(indent)
        self.at += 1
        return self.scalar(line, indent - 1)

    def sequence(self, indent):
        items = []
        while not self.at_end() and self.indent() == indent:
            number, line = self.lines[self.at]
            rest = line[indent:]
            if not (rest == "-" or rest.startswith("- ")):
                break
            inner = rest[1:].lstrip(" ")
            if not inner or inner.startswith("#"):
                self.at += 1
                items.append(self.below(indent))
                continue
            column = len(line) - len(inner)
            if inner.startswith("- ") or (_KEY.match(inner) and not inner.startswith(("{", "["))):
                self.lines[self.at] = (number, " " * column + inner)
                items.append(self.node(column))
            else:
                self.at += 1
                items.append(self.scalar(inner, indent))
        return items

    def mapping(self, indent):
        found = {}
        while not self.at_end() and self.indent() == indent:
            number, line = self.lines[self.at]
            match = _KEY.match(line[indent:])
            if not match:
                raise YamlError(f"line {number}: expected a key")
            key = _plain_key(match["key"])
            if key == "<<":
                raise YamlError(f"line {number}: merge keys are not read")
            if key in found:
                raise YamlError(f"line {number}: the key {key!r} stands twice")
            rest = line[indent + match.end() :]
            self.at += 1
            if not rest or rest.startswith("#"):
                found[key] = self.below(indent, lists_at_same=True)
            else:
                found[key] = self.scalar(rest, indent)
        return found

    def below(self, indent, lists_at_same=False):
        if self.at_end():
            return None
        inner = self.indent()
        line = self.lines[self.at][1][inner:]
        same = lists_at_same and inner == indent and (line == "-" or line.startswith("- "))
        if inner > indent or same:
            return self.node(inner)
        return None

    def scalar(self, text, indent):
        number = self.lines[self.at - 1][0]
        tag = None
        if text.startswith("!!"):
            tag, _, text = text.partition(" ")
            text = text.lstrip()
        if text[:1] in ("|", ">"):
            return self.block(text, indent)
        if text[:1] in ("&", "*", "!"):
            raise YamlError(f"line {number}: anchors and own tags are not read")
        if text[:1] in ("[", "{", '"', "'"):
            while True:
                try:
                    value, end = _flow(text, 0)
                    break
                except EOFError:
                    if self.at >= len(self.lines):
                        raise YamlError(f"line {number}: something is not closed") from None
                    text += " " + self.lines[self.at][1].strip()
                    self.at += 1
            if not _bare(text[end:]):
                raise YamlError(f"line {number}: unexpected text after a value")
            return _tagged(tag, value)
        text = re.split(r"\s#", text, maxsplit=1)[0].strip()
        while self.at < len(self.lines) and not _bare(self.lines[self.at][1]) and self.indent() > indent:
            text += " " + re.split(r"\s#", self.lines[self.at][1], maxsplit=1)[0].strip()
            self.at += 1
        return _tagged(tag, text) if tag else _plain(text)

    def block(self, header, indent):
        rows = []
        while self.at < len(self.lines):
            line = self.lines[self.at][1]
            if line.strip() and self.indent() <= indent:
                break
            rows.append(line)
            self.at += 1
        depth = min((len(r) - len(r.lstrip(" ")) for r in rows if r.strip()), default=0)
        rows = [row[depth:] for row in rows]
        ended = len(rows)
        while ended and not rows[ended - 1].strip():
            ended -= 1
        tail = "\n" * (len(rows) - ended)
        body = "\n".join(rows[:ended])
        if header[0] == ">":
            body = re.sub(r"(?<!\n)\n(?!\n| )", " ", body).replace("\n\n", "\n")
        if "-" in header:
            return body
        return body + "\n" + (tail if "+" in header else "")


def _bare(line):
    line = line.strip()
    return not line or line.startswith("#")


def _plain_key(text):
    if text[0] in "\"'":
        return _flow(text, 0)[0]
    return text.strip()


def _plain(text):
    if text in _NULLS:
        return None
    if text in _WORDS:
        return _WORDS[text]
    if _INT.match(text):
        return int(text)
    if _FLOAT.match(text):
        return float(text)
    return text


def _tagged(tag, value):
    if tag in (None, "!!str"):
        return value
    readers = {"!!bool": lambda v: str(v).lower() == "true", "!!int": int, "!!float": float, "!!null": lambda v: None}
    if tag not in readers:
        raise YamlError(f"the tag {tag} is not read")
    return readers[tag](value)


def _flow(text, at):
    while at < len(text) and text[at] in " ":
        at += 1
    if at >= len(text):
        raise EOFError
    if text[at] == "[":
        return _flow_list(text, at + 1)
    if text[at] == "{":
        return _flow_map(text, at + 1)
    if text[at] == '"':
        return _double(text, at + 1)
    if text[at] == "'":
        return _single(text, at + 1)
    end = at
    while end < len(text) and text[end] not in ",]}" and not re.match(r":(\s|$)", text[end:]):
        end += 1
    return _plain(text[at:end].strip()), end


def _flow_list(text, at):
    items = []
    while True:
        at = _blanks(text, at)
        if text[at] == "]":
            return items, at + 1
        value, at = _flow(text, at)
        items.append(value)
        at = _blanks(text, at)
        if text[at] == ",":
            at += 1
        elif text[at] != "]":
            raise YamlError(f"expected , or ] at {text[at:]!r}")


def _flow_map(text, at):
    found = {}
    while True:
        at = _blanks(text, at)
        if text[at] == "}":
            return found, at + 1
        key, at = _flow(text, at)
        at = _blanks(text, at)
        value = None
        if text[at] == ":":
            value, at = _flow(text, at + 1)
            at = _blanks(text, at)
        found[str(key)] = value
        if text[at] == ",":
            at += 1
        elif text[at] != "}":
            raise YamlError(f"expected , or }} at {text[at:]!r}")


def _blanks(text, at):
    while at < len(text) and text[at] == " ":
        at += 1
    if at >= len(text):
        raise EOFError
    return at


def _double(text, at):
    out = []
    while at < len(text):
        character = text[at]
        if character == '"':
            return "".join(out), at + 1
        if character == "\\":
            at += 1
            if at >= len(text):
                raise EOFError
            if text[at] in "xuU":
                width = {"x": 2, "u": 4, "U": 8}[text[at]]
                out.append(chr(int(text[at + 1 : at + 1 + width], 16)))
                at += width
            elif text[at] in _ESCAPES:
                out.append(_ESCAPES[text[at]])
            else:
                raise YamlError(f"unknown escape \\{text[at]}")
        else:
            out.append(character)
        at += 1
    raise EOFError


def _single(text, at):
    out = []
    while at < len(text):
        if text[at] == "'":
            if text[at + 1 : at + 2] == "'":
                out.append("'")
                at += 2
                continue
            return "".join(out), at + 1
        out.append(text[at])
        at += 1
    raise EOFError
