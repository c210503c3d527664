"""Just enough of Rust's lexical rules to look at paths: no comments, no literals, no test code."""

import re

_TOKEN = re.compile(
    r"""
      (?P<line>//[^\n]*)
    | (?P<block>/\*)
    | (?P<raw>\b[bc]?r(?P<hashes>\#*)")
    | (?P<string>")
    | (?P<char>b?'(?:\\(?:u\{[0-9a-fA-F_]+\}|x[0-9a-fA-F]{2}|.)|[^'\\\n])')
    """,
    re.VERBOSE,
)

_STRING_REST = re.compile(r'(?:[^"\\]|\\.)*"', re.DOTALL)


def blank(text: str) -> str:
    """Spaces for everything but line ends, so that offsets and line numbers stay."""
    return re.sub(r"[^\n]", " ", text)


def strip_literals_and_comments(source: str) -> str:
    """The source with comments, strings and character literals blanked."""
    out = []
    position = 0
    while match := _TOKEN.search(source, position):
        out.append(source[position : match.start()])
        end = match.end()
        if match.group("block"):
            end = _end_of_block_comment(source, match.start())
        elif match.group("raw"):
            closing = source.find('"' + match.group("hashes"), end)
            end = len(source) if closing < 0 else closing + 1 + len(match.group("hashes"))
        elif match.group("string"):
            closing = _STRING_REST.match(source, end)
            end = closing.end() if closing else len(source)
        out.append(blank(source[match.start() : end]))
        position = end
    out.append(source[position:])
    return "".join(out)


def _end_of_block_comment(source: str, start: int) -> int:
    depth = 0
    for match in re.compile(r"/\*|\*/").finditer(source, start):
        depth += 1 if match.group() == "/*" else -1
        if depth == 0:
            return match.end()
    return len(source)


_TEST_ATTRIBUTE = re.compile(r"#\s*\[\s*(?:cfg\s*\(\s*(?:test|all\s*\(\s*test\b[^)]*\))\s*\)|test)\s*\]")


def strip_tests(code: str) -> str:
    """Blanks every item under `#[cfg(test)]`, `#[cfg(all(test, ..))]` or `#[test]`; `code` is already stripped of literals."""
    position = 0
    while match := _TEST_ATTRIBUTE.search(code, position):
        end = _end_of_item(code, match.end())
        code = code[: match.start()] + blank(code[match.start() : end]) + code[end:]
        position = end
    return code


def _end_of_item(code: str, start: int) -> int:
    """The item ends at the first `;` or matching `}` outside brackets."""
    depth = 0
    for match in re.compile(r"[\[\](){};]").finditer(code, start):
        token = match.group()
        if token in "[({":
            depth += 1
        elif token in "])}":
            depth -= 1
            if depth <= 0 and token == "}" and code[start : match.start()].lstrip()[:4] != "use ":
                return match.end()
        elif depth == 0:
            return match.end()
    return len(code)


def line_of(text: str, offset: int) -> int:
    """The line number, from 1, of an offset."""
    return text.count("\n", 0, offset) + 1


_USE = re.compile(r"(?P<public>\bpub\b\s*(?:\([^)]*\)\s*)?)?\buse\s+(?P<tree>[^;]+);")


def uses(code: str):
    """Yields (offset, path as a tuple, name it gets here, is re-export) for every leaf of every `use`."""
    for match in _USE.finditer(code):
        for path, name in _leaves(match.group("tree")):
            yield match.start("tree"), path, name, bool(match.group("public"))


def _leaves(tree: str):
    tree = tree.strip()
    brace = tree.find("{")
    if brace >= 0:
        prefix = tuple(part.strip() for part in tree[:brace].split("::") if part.strip())
        for branch in _split_commas(tree[brace + 1 : tree.rfind("}")]):
            for path, name in _leaves(branch):
                if path == ("self",):
                    yield prefix, (prefix[-1] if name == "self" else name)
                else:
                    yield prefix + path, name
        return
    path_text, _, alias = tree.partition(" as ")
    path = tuple(part.strip() for part in path_text.split("::") if part.strip())
    if path:
        yield path, (alias.strip() or path[-1])


def _split_commas(text: str):
    depth, start = 0, 0
    for index, character in enumerate(text):
        depth += {"{": 1, "}": -1}.get(character, 0)
        if character == "," and depth == 0:
            yield text[start:index]
            start = index + 1
    if text[start:].strip():
        yield text[start:]


_INLINE = re.compile(r"(?<![\w:])(?:crate|super|self)(?:\s*::\s*\w+)+")


def inline_paths(code: str):
    """Yields (offset, path) for `crate::`, `super::` and `self::` paths outside `use` items."""
    code = _USE.sub(lambda match: blank(match.group()), code)
    for match in _INLINE.finditer(code):
        yield match.start(), tuple(part.strip() for part in match.group().split("::"))
