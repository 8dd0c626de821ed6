#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""calling.py PAGE LANGUAGE: the blocks of one language (c, python, sh) of doc/calling.md as one program. In C the first block
is what stands before main(), and each of the others a block in it."""
import pathlib
import re
import sys


def blocks(page, language):
    return re.findall(rf"(?m)^```{language}\n(.*?)^```$", pathlib.Path(page).read_text(), re.DOTALL)


def program(page, language):
    first, *others = blocks(page, language)
    if language != "c":
        return "\n".join([first, *others])
    body = "".join(f"{{\n{block}}}\n" for block in others)
    return f"{first}\nint\nmain (void)\n{{\n{body}return 0;\n}}\n"


if __name__ == "__main__":
    print(program(*sys.argv[1:]))
