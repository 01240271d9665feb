"""What people send who mean no good, and what browsers send that nobody meant: about 70 values, each with a name.

Every value is written as addresses and bodies carry it, percent-encoded, because half of them are not text at all.
"""

from urllib.parse import quote

LONG = 1_000_000

TEXTS = {
    "empty": "",
    "blank": " \t ",
    "no-break spaces": "\u00a0\u2003\u200b",
    "line breaks": "one\r\ntwo\rthree\nfour",
    "header": "x\r\nBcc: everybody@example.org\r\n\r\nBuy",
    "other line ends": "one\u2028two\u0085three\x0bfour\x1cfive",
    "control characters": "\x01\x02\x07\x08\x1b[31m\x7f",
    "noncharacters": "\ufffe\uffff\U0010ffff",
    "turned around": "\u202egnp.exe\u2066x",
    "tag characters": "a\U000e0041\U000e007f",
    "combining": "Z" + "\u0351\u0489" * 200,
    "emoji": "👩🏽‍🚀🏳️‍🌈💥",
    "not Latin": "日本語 العربية עברית ไทย",
    "folds to more": "ﬃßİŉ㎏",
    "script": "<script>alert(1)</script>",
    "image": "\"><img src=x onerror=alert(1) hx-get='/evil' hx-trigger=load>",
    "attribute": "' autofocus onfocus=alert(1) x='",
    "comment": "--><svg/onload=alert(1)><!--",
    "template": "{{7*7}}{% load static %}${7*7}#{7*7}",
    "format": "%s%(name)s%n{0}{settings.SECRET_KEY}",
    "SQL": "'; DROP TABLE accounts_user; --",
    "LIKE": "%_%\\",
    "regular expression": "(a+)+$[",
    "formula": '=HYPERLINK("http://evil.example","x")',
    "formula with plus": "+1+cmd|' /C calc'!A0",
    "formula with at": "@SUM(1)",
    "formula after a tab": "\t=1+1",
    "path": "../../../../etc/passwd",
    "drive": "C:\\Windows\\win.ini",
    "javascript": "javascript:alert(1)",
    "data": "data:text/html,<script>alert(1)</script>",
    "other host": "//evil.example/x",
    "other host with backslash": "/\\evil.example",
    "other host with scheme": "https://evil.example/",
    "broken host": "http://[",
    "list": "[]",
    "object": '{"a": 1}',
    "null": "null",
    "undefined": "undefined",
    "true": "true",
    "minus one": "-1",
    "minus zero": "-0",
    "zero": "0",
    "2^15": str(2**15),
    "2^31": str(2**31),
    "2^63": str(2**63),
    "-2^63": str(-(2**63) - 1),
    "5000 digits": "9" * 5000,
    "1e400": "1e400",
    "fraction": "0.1",
    "comma": "1,5",
    "underscore": "1_000",
    "hexadecimal": "0x10",
    "digits not of ASCII": "١٢٣",
    "superscript": "²",
    "NaN": "NaN",
    "infinity": "-inf",
    "year 1": "0001-01-01",
    "year 9999": "9999-12-31",
    "year 10000": "10000-01-01",
    "30 February": "2027-02-30",
    "instant in year 1": "0001-01-01T00:00:00+14:00",
    "instant in year 9999": "9999-12-31T23:59:59-12:00",
    "offset too far": "2027-01-01T00:00+99:99",
    "24:61": "24:61",
    "week": "2027-W01-1",
    "zone": "../Europe/Berlin",
    "zone that reads a file": "posixrules",
    "long": "x" * LONG,
    "long words": "word " * 20_000,
    "long address": "a" * 300 + "@example.org",
    "UUID": "00000000-0000-0000-0000-000000000000",
}

BYTES = {
    "NUL": "%00",
    "NUL inside": "abc%00def",
    "NUL twice encoded": "%2500",
    "lone surrogate": "%ED%A0%80",
    "surrogate pair": "%ED%A0%BD%ED%B8%80",
    "not UTF-8": "%FF%FE%80",
    "cut off": "%E2%82",
    "overlong": "%C0%AF",
    "half an escape": "%",
    "no hexadecimal": "%zz",
}

VALUES = {name: quote(text, safe="") for name, text in TEXTS.items()} | BYTES

# Whole query strings; `{name}` is the name of a parameter that the page knows.
QUERIES = {
    "twice": "{name}=1&{name}=2&{name}=",
    "as a list": "{name}[]=1&{name}[a]=2",
    "without a value": "{name}",
    "only signs": "&&==&=&;",
    "unknown": "nobody=knows&this[]=%00",
    "no such order": "order=-password&o=99.-1.x&order_by=user__password",
    "other models": "user__password__startswith=x&e=1&pk__in=a",
    "long": "{name}=" + "a%20" * 2_000,
    "500 keys": "&".join(f"k{number}={number}" for number in range(500)),
    "2000 keys": "&".join(f"k{number}={number}" for number in range(2_000)),
}

# Legal text that must be shown as what it is.
LEGAL = {
    "everything at once": "=1+1<script>alert(1)</script><b hx-get='/evil' hx-trigger='load'>\" onclick='' "
    "{{7654321*3}}",
    "script": "<script>alert(1)</script>",
    "htmx": "<b hx-get='/evil' hx-trigger='load'>x</b>",
    "attribute": "\" onmouseover='alert(1)' x=\"",
    "template": "{{7654321*3}} {% now 'Y' %}",
    "formula": "=1+1",
    "emoji": "👩🏽‍🚀 💥",
    "turned around": "abc \u202egnp.exe",
    "format": "%(name)s %s {0}",
}
