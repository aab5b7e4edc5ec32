"""Runs the examples of a document as its reader would: from top to bottom, in one terminal.

Bash blocks share one shell. Python and JavaScript blocks are files named by their first line,
run from that shell. A text block shows what the blocks since the text block before print; in
each language, all that they print.
"""

import os
import re
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

from lib.tables import ROOT

FENCE = re.compile(r"^```([^\n]*)\n(.*?)^```[ ]*$", re.M | re.S)
FILE = {
    "python": ("python3", re.compile(r"# ([a-z_]+\.py)\n")),
    "javascript": ("node", re.compile(r"// ([a-z_]+\.mjs)\n")),
}
UUID = r"[0-9a-f]{8}-(?:[0-9a-f]{4}-){3}[0-9a-f]{12}"
TIME = r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(?:\.\d+)?Z"
# What is different each time: how it looks in a document, and what may come.
VOLATILE = [
    ("\u2026", r".*?"),
    (UUID, UUID),
    (TIME, TIME),
    (r"elk_[0-9a-z]{16}", r"elk_[0-9a-hjkmnp-tv-z]{16}"),
    (r"localhost:\d+", r"localhost:\d+"),
    (r"(?<=[;][qrtw]=)\d+", r"\d+"),
]
ANY_VOLATILE = re.compile("|".join(f"({shown})" for shown, _ in VOLATILE))
# As shells do it in a terminal that somebody watches: every failure shows.
WATCH = """\
set -E -o pipefail
trap 'printf "line %s failed: %s\\n" "$LINENO" "$BASH_COMMAND" >>"$failures"' ERR
"""


@dataclass
class Block:
    where: str
    language: str
    text: str


def blocks(document: str, name: str) -> list[Block]:
    found = []
    for match in FENCE.finditer(document):
        line = document.count("\n", 0, match.start()) + 1
        found.append(Block(f"{name}:{line} ({match[1]})", match[1], match[2]))
    fences = len(re.findall(r"^\s*(?:```|~~~)", document, re.M))
    assert fences == 2 * len(found), f"{name}: a fence that is not understood"
    return found


def shape(shown: str) -> re.Pattern:
    """What an output must look like of which the document shows one example."""
    pattern, end = "", 0
    for match in ANY_VOLATILE.finditer(shown):
        pattern += re.escape(shown[end : match.start()]) + VOLATILE[match.lastindex - 1][1]
        end = match.end()
    return re.compile(pattern + re.escape(shown[end:]))


class Terminal:
    """One bash that runs block after block."""

    def __init__(self, scratch: Path, start: Path, env: dict[str, str]):
        self.scratch, self.number = scratch, 0
        self.failures = scratch / "failures"
        self.failures.touch()
        inherited = {k: v for k, v in os.environ.items() if not k.startswith("ELEUSIS_")}
        path = f"{Path(sys.executable).parent}:{os.environ['PATH']}"
        client = str(ROOT / "clients/python")
        self.bash = subprocess.Popen(
            ["bash", "--norc", "-s"],
            cwd=start,
            env=inherited | {"PATH": path, "PYTHONPATH": client, "TMPDIR": str(scratch)} | env,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        self.bash.stdin.write(f"failures={self.failures}\n{WATCH}")

    def __enter__(self) -> "Terminal":
        return self

    def __exit__(self, *_: object) -> None:
        self.bash.stdin.close()
        self.bash.wait(10)
        self.bash.stdout.close()

    def run(self, block: Block) -> str:
        """What it prints; AssertionError when any of it fails."""
        self.number += 1
        file, out, err = (self.scratch / f"{self.number}.{x}" for x in ("block", "out", "err"))
        file.write_text(block.text)
        command = f". {file}"
        if block.language != "bash":
            program, first_line = FILE[block.language]
            name = first_line.match(block.text)
            assert name, f"{block.where}: the first line names no file"
            command = f"cp {file} {name[1]} && {program} {name[1]}"
        self.bash.stdin.write(f"{{ {command}; }} >{out} 2>{err} </dev/null; echo $?\n")
        self.bash.stdin.flush()
        status = self.bash.stdout.readline().strip()
        failed = self.failures.read_text() + (f"status {status}\n" if status != "0" else "")
        printed = out.read_text()
        assert not failed, f"{block.where}: {failed}{printed}{err.read_text()}"
        return printed


def run(document: str, name: str, scratch: Path, start: Path = ROOT, **env: str) -> int:
    """Runs all of a document's examples, from the directory `start` on, and compares; how many
    there were."""
    number, printed = 0, {}
    with Terminal(scratch, start, env) as terminal:
        for block in blocks(document, name):
            if block.language == "text":
                assert printed, f"{block.where}: shows an output that nothing printed"
                for language, (where, text) in printed.items():
                    assert shape(block.text.rstrip()).fullmatch(text.rstrip()), (
                        f"{where}: the document shows\n{block.text}but {language} printed\n{text}"
                    )
                printed = {}
                continue
            assert block.language in ("bash", *FILE), f"{block.where}: what language is that?"
            where, before = printed.get(block.language, (block.where, ""))
            printed[block.language] = (where, before + terminal.run(block))
            number += 1
        for where, text in printed.values():
            assert not text, f"{where}: the document does not show what it prints\n{text}"
    return number
