"""The project's own mutations: of tokens for texts, of bytes for files; needs nothing that is not locked."""

from __future__ import annotations

import re
from random import Random

from fuzz.promise import LONGEST, Target

TOKENS = re.compile(rb'"(?:[^"\\\n]|\\.)*"|[A-Za-z_]\w*|[0-9.]+|\s+|[\x80-\xff]+|.', re.S)
# Chosen, no source.
MOST_CHANGES = 6
MOST_WORDS = 20_000

HARD_WORDS: tuple[bytes, ...] = (
    *(
        b"",
        b'""',
        b"0",
        b"-1",
        b"1e400",
        b"1e308",
        b"-0.0",
        b"nan",
        b"null",
        b"true",
        b"99999999999999999999",
        b"1e-400",
    ),
    *(b"*", b'"*"', b"[", b"]", b"[]", b"[[]]", b"{}", b"(", b")", b"|", b",", b"=", b":=", b"\\", b"/", b"'", b'"'),
    *(b"\x00", b"\xff\xfe", b"\xef\xbb\xbf", "\u202e".encode(), "\u200b".encode(), "\U0001f600".encode(), b"\r\n"),
    *(b"..", b"%", b"$", b"`", b"@", b"#", b";", b"<", b">", b"&", b"_time", b"_raw", b"@timestamp", b"NOT", b"OR"),
    *(b"9223372036854775807", b"-9223372036854775808", b"4294967296", b"2147483648", b"1.7976931348623157e308"),
    *(b"9999-12-31T23:59:59Z", b"0001-01-01T00:00:00Z", b"1601-01-01T00:00:00.0Z", b"2024-02-30T25:61:61Z"),
)
HARD_BYTES = (0x00, 0x01, 0x7F, 0x80, 0xFF, 0x0A, 0x22, 0x3C, 0x7B)


class Mutation:
    """Changed inputs of a target without end, the same ones for the same seed."""

    def __init__(self, target: Target, seed: int) -> None:
        self.target, self.random = target, Random(seed)
        self.seeds: list[bytes] = [s[:LONGEST] for s in target.seeds()] or [b"a"]
        pieces = {p for s in self.seeds for p in TOKENS.findall(s)} if not target.binary else set()
        self.words: list[bytes] = [*sorted(pieces)[:MOST_WORDS], *target.words]

    def next(self) -> bytes:
        """The next input."""
        data = self.random.choice(self.seeds)
        change = self.change_bytes if self.target.binary else self.change_tokens
        data = change(data)
        if self.target.repair and self.random.random() < 0.8:
            data = self.target.repair(data)
        return data[:LONGEST]

    def word(self) -> bytes:
        """A piece of real inputs, or one that programs often take wrongly."""
        return self.random.choice(self.words if self.words and self.random.random() < 0.6 else HARD_WORDS)

    def change_tokens(self, data: bytes) -> bytes:
        """The text with some of its tokens replaced, left out, doubled or exchanged."""
        random, tokens = self.random, TOKENS.findall(data)
        for _ in range(random.randint(1, MOST_CHANGES)):
            at = random.randrange(len(tokens) + 1)
            match random.randrange(8):
                case 0 | 1 | 2:
                    tokens[at : at + 1] = [self.word()]
                case 3:
                    tokens[at : at + random.randint(1, 4)] = []
                case 4:
                    tokens.insert(at, self.word())
                case 5:
                    tokens[at:at] = tokens[at : at + random.randint(1, 12)] * random.randint(1, 3)
                case 6 if tokens:
                    other = random.randrange(len(tokens))
                    at = min(at, len(tokens) - 1)
                    tokens[at], tokens[other] = tokens[other], tokens[at]
                case _:
                    tokens[at : at + random.randint(0, 8)] = self.stretch()
        return b"".join(tokens)

    def stretch(self) -> list[bytes]:
        """Some tokens in a row out of another input."""
        found = TOKENS.findall(self.random.choice(self.seeds)[:8192])
        at = self.random.randrange(len(found) + 1)
        return found[at : at + self.random.randint(1, 30)]

    def change_bytes(self, data: bytes) -> bytes:
        """The file with some of its bytes flipped, left out, doubled or taken from another."""
        random, changed = self.random, bytearray(data)
        for _ in range(random.randint(1, MOST_CHANGES)):
            at, length = random.randrange(len(changed) + 1), random.choice((1, 2, 4, 8, 64))
            match random.randrange(7):
                case 0 | 1 if at < len(changed):
                    changed[at] ^= 1 << random.randrange(8)
                case 2 | 3:
                    changed[at : at + length] = bytes(random.choice(HARD_BYTES) for _ in range(length))
                case 4:
                    del changed[at : at + length]
                case 5:
                    other = random.choice(self.seeds)
                    begin = random.randrange(len(other) + 1)
                    changed[at : at + length] = other[begin : begin + length]
                case _:
                    changed[at : at + length] = random.randbytes(length)
        if random.random() < 0.05:
            del changed[random.randrange(len(changed) + 1) :]
        return bytes(changed)
