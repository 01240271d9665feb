"""Texts that make renderers slow: each 20,000 characters at most, as many as a form of ours takes.

`benchmarks/markdown.py` times the same.
"""

CHARACTERS = 20_000

MARKS = [
    *("[", "]", "*", "_", "`", "~", "<", ">", "|", "!", "\\", "&", "#", "-", "+", "(", ")", "=", "\n", "\t", " ", "a"),
    *(" *", " _", "*a ", "_a ", "a*", "**a", "*_", "a**b", "a*_b", "~~a", "*a* ", "**a** ", "~~a~~ ", "a_b*c_d*"),
    *("[a](", "[a][", "![a](", "![", "[]", "[](", "[a]( ", "[a]('", "[a](u '", "[*", "*[", "[`", "(*", "[[]]", "\\["),
    *("[a]: u\n", "[a]\n", "[x]: <", "[](<", "[a](<b", "[a](b) ", "[a](b 'c') ", "![a](b) ", "*[a](https://b)* "),
    *("<a", "</a>", "<!--", "<?", "<![CDATA[", "<b\n", "<a@b.c>", "<https://a>", "<mailto:a@b.c>", "<div onclick='"),
    *(
        "`a",
        "`` ` ",
        "``a`",
        "`a` ",
        "\\`",
        "\\*",
        "\\\n",
        "a  \n",
        "a\n",
        "a\n\n",
        "a\n===\n",
        "---\n",
        "# a\n",
        "#\n",
    ),
    *("> ", "> a\n", "> > ", "- ", "* ", "1. ", "1) ", "- a\n", " - a\n", "1. a\n", "- - ", "> - ", "- > ", "-\n"),
    *("- \n\n", "_ _ ", "- a\n- b\n\n  c\n", "1. a\n\n   b\n", "> - 1. ", "```\n", "```c\n```\n", "~~~\n", "    a\n"),
    *("|a\n", "|a|b\n", "a|b\n-|-\n", "&#x41;", "&amp;", "&amp", "&a;", "&#", "&CounterClockwiseContourIntegral;"),
    *(
        "https://a.b ",
        "https://a.b/",
        "https://",
        "https://a.b\n",
        "www.a.b ",
        "a@b.c ",
        "'\"",
        "😀",
        "a\u0301",
        "\u202e",
    ),
]


def fill(unit, characters=CHARACTERS):
    return (unit * (characters // len(unit) + 1))[:characters]


def table(columns, row):
    return fill("|a" * columns + "\n" + "|-" * columns + "\n", 4 * columns + 2) + fill(
        row, CHARACTERS - 4 * columns - 2
    )


def code(language, unit, line=900):
    text = fill(unit, 9_900)
    return f"```{language}\n" + "\n".join(text[at : at + line] for at in range(0, len(text), line))


CASES = {
    **{f"{mark!r} again and again": fill(mark) for mark in MARKS},
    "ticks that rise": " ".join("`" * count for count in range(1, 199)),
    "ticks that fall": " ".join("`" * count for count in range(198, 0, -1)),
    "stars that rise": " ".join("*" * count + "a" for count in range(1, 198)),
    "opened, then closed": fill("*a **b _c ", 10_000) + fill("a* b** c_ ", 10_000),
    "brackets in brackets": "[" * 10_000 + "]" * 10_000,
    "links in links": "[a" * 5_000 + "](b)" * 2_500,
    "pictures in pictures": "![" * 6_600 + "]" * 6_600,
    "a long address, referred to": f"[a]: https://a/{'u' * 9_900}\n\n" + fill("[a]", 10_000),
    "a long title, referred to": f"[a]: https://a '{'u' * 9_900}'\n\n" + fill("[a]", 10_000),
    "a long address of a picture": f"[a]: https://a/{'u' * 9_900}\n\n" + fill("![a]", 10_000),
    "many definitions": "".join(f"[{number}]: https://a\n" for number in range(1_000)),
    "many definitions, used": "".join(f"[{number}]: u\n" for number in range(1_000)) + fill("[1][2]", 8_000),
    "brackets in an address": "[a](" + "(" * 19_990,
    "a wide table of short rows": table(250, "a\n"),
    "a very wide table": table(3_000, "|\n"),
    "a tall table of short rows": table(30, "a\n"),
    "a full table": table(33, "|" * 33 + "\n"),
    "a narrow table": table(3, "|a|b|c\n"),
    "quotes in each line": fill(">" * 19 + "a\n"),
    "a deep quote, gone on with": ">" * 2_000 + "a\n" + fill("b\n", 17_000),
    "a quote, gone on with": "> a\n" + fill("b\n", 19_000),
    "lists in each line": fill("- " * 9 + "a\n"),
    "lists that go in": "".join(" " * 2 * depth + "- a\n" for depth in range(130)),
    "deep lists": fill("- " * 1_000 + "a\n"),
    "many pieces of code": fill("```py\n" + '"""\n' * 20 + "```\n"),
    "a line of code without an end": "```python\n" + fill("(", 19_980),
    "blank lines of C": code("c", "\n"),
    "blank lines of Java": code("java", "$\n"),
    "blank lines of MATLAB": code("matlab", "\n"),
    "variables of make": code("make", "${"),
    "here documents of Terraform": code("terraform", "<<E\n"),
    "quotes of Elixir": code("elixir", "{'"),
    "instructions of HTML": code("html", "<?"),
    "brackets of Scala": code("scala", "("),
}
