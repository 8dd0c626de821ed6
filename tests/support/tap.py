# SPDX-License-Identifier: LGPL-2.1-or-later
"""A test program in TAP: every function test_* of a module is a case, its docstring or name the sentence."""
import sys
import tempfile
import traceback


class Skip(Exception):
    """The machine really lacks something; the text says what ("machine lacks: ...")."""


def expect(condition, message):
    if not condition:
        raise AssertionError(message)


def expect_equal(found, wanted, what=""):
    if found != wanted:
        raise AssertionError(f"{what + ': ' if what else ''}found {found!r}, wanted {wanted!r}")


def run(module, prefix):
    """Runs all cases of a module (or those whose name contains the first argument); each gets a fresh folder."""
    wanted = sys.argv[1] if len(sys.argv) > 1 else ""
    cases = [(name, case) for name, case in vars(module).items() if name.startswith("test_") and wanted in name]
    if not cases:
        print(f'Bail out! no case has "{wanted}" in its name', flush=True)
        sys.exit(1)
    failed = 0
    print(f"1..{len(cases)}", flush=True)
    for number, (name, case) in enumerate(cases, 1):
        title = f"{prefix}/{name[5:].replace('_', '-')}"
        try:
            with tempfile.TemporaryDirectory(prefix="tpmid-", ignore_cleanup_errors=True) as folder:
                case(folder)
            print(f"ok {number} {title}", flush=True)
        except Skip as skip:
            print(f"ok {number} {title} # SKIP {skip}", flush=True)
        except Exception:  # a case may fail in any way; the others still run
            failed += 1
            print(f"not ok {number} {title}")
            for line in traceback.format_exc().splitlines():
                print(f"# {line}", flush=True)
    sys.exit(1 if failed else 0)
