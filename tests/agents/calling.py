#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""calling.py PAGE LANGUAGE: the blocks of one language (c, python, sh) of doc/calling.md as one program: joined as they are, as the
page says."""
import pathlib
import re
import sys


def program(page, language):
    return "\n".join(re.findall(rf"(?m)^```{language}\n(.*?)^```$", pathlib.Path(page).read_text(), re.DOTALL))


if __name__ == "__main__":
    print(program(*sys.argv[1:]))
