# SPDX-License-Identifier: Apache-2.0
"""Writes yaml.jsonl: what PyYAML, which Ray's command line reads with, makes of texts.

Run by hand, never by a build, with a Python that has PyYAML 6:
    python tests/vectors/make_yaml.py > tests/vectors/yaml.jsonl
Each line: {"in": text, "out": value} or {"in": text, "error": what PyYAML says}.
"""

import json

import yaml

WORDS = """yes Yes YES no No NO on On ON off Off OFF true True TRUE false False FALSE y n Y N yEs
null Null NULL ~ nULL none None 0 1 -1 +1 00 07 08 010 0o10 0x10 0X10 -0x1F 0b101 0b2 1_000 _1 1_ 0_
123456789012 9223372036854775807 -9223372036854775808 1.0 1. .5 -.5 +.5 -1.5 1e5 1e+5 1.0e5 1.0e+5 1.5E-3 1_0.5_0 .5e+1
1:30 1:30:15 -1:30 1:60 1:30.5 190:20:30 1:2:3:4 0:30 12e03 685.230_15e+03 1.e+1 . .. ... - -- --- ? : :a a: a:b -a ?a
a#b abc a-b 0.0 -0.0 007 1,000 0x 0b 0x_ 1__0 1.2.3 v1 1.0.0 .e1 ._5 5_.5 +0x1 0b_1 -0 +0 3.14159 1e400 0.1 100000000000000000000.5""".split()  # noqa: SIM905  # a list literal would be a page

TEXTS = [
    "",
    "# only a comment\n",
    "a: 1\nb: [1, 2, {c: d}]\n",
    "a:\n- x\n- y: 1\n  z: 2\n",
    "a: |\n  x\n  y\n",
    "a: >\n  x\n  y\n\n  z\n",
    "a: 'it''s'\nb: \"tab\\t\\u00e9\\x41\"\n",
    "a: &x {k: 1}\nb: *x\n",
    "base: &b {x: 1, y: 2}\nd:\n  <<: *b\n  y: 3\n",
    "a: &a {x: 1}\nb: &b {x: 2, z: 3}\nc:\n  <<: [*a, *b]\n",
    "x: {<<: {a: 1}, a: 2}\n",
    "<<: 5\n",
    "<<: [1]\n",
    "a: 1\na: 2\n",
    "2: a\ntrue: b\nnull: c\n1.5: d\n~: e\n",
    "? [a]\n: b\n",
    "a: *nope\n",
    "a: [1, 2\n",
    "a: b: c\n",
    "\ta: 1\n",
    "a:\n\t- b\n",
    "---\na: 1\n",
    "---\na: 1\n---\nb: 2\n",
    "---\na: 1\n...\n",
    "%YAML 1.1\n---\na: on\n",
    "a: !!str 5\nb: !!int '7'\nc: !!float 3\nd: !!null ''\ne: !!bool 'yes'\n",
    "a: !foo 1\n",
    "a: !!python/object:os.system x\n",
    "a: !!map {}\nb: !!seq []\n",
    "a: ! 5\n",
    "- 1\n- - 2\n  - 3\n",
    "5",
    "'yes'",
    '"no"',
    'a: "x\n  y"\n',
    "a: x\n  y\n",
    "{a: 1, b: [], c: {}}",
    '{"a": 1, "b": null, "c": [true, 1.5e3]}',
    "a: 'x'  # comment\n",
    "a: x#y\nb: x #y\n",
    "a: @b\n",
    "a: `b`\n",
    "a: %b\n",
    'a: "\\q"\n',
    "k: &a\n  x: 1\nl: *a\n",
    "a: [*b]\nb: &b 1\n",
    "héllo: wörld\n",
    "a: \U0001f600\n",
    "a: \x01\n",
    "a : 1\n",
    "a:1\n",
    "- a\n-b\n",
    "a: - b\n",
    "a: |-\n  x\nb: |+\n  y\n\n",
    "a:\n  b: 1\n c: 2\n",
    "'a': 1\n\"b\": 2\n",
    "a: [x, y,]\n",
    "a: {b}\n",
    "a: {b, c: 1}\n",
    "a: [b: 1]\n",
    "? a\n: 1\n",
    "? a\n",
    "a:\nb:\n",
    "on: 1\nyes: 2\n",
    "0x10: a\n",
    "x: ''\n",
    "a: &m {b: &n 1, c: *n}\nd: *m\n",
    "<<: {a: 1}\nb: 2\n",
    "'<<': 5\n",
    "a: !!merge x\n",
    "\ufeffa: 1\n",
    "a: 1\r\nb: 2\r\n",
    "a: 1\rb: 2\r",
]


def main():
    for text in TEXTS + [f"v: {w}\n" for w in WORDS]:
        line = {"in": text}
        try:
            line["out"] = json.loads(json.dumps(yaml.safe_load(text), allow_nan=False))
        except Exception as e:  # noqa: BLE001: whatever PyYAML raises is the answer
            line["error"] = str(e)
        print(json.dumps(line))


main()
