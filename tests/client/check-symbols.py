#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""check-symbols.py LIBRARY HEADER MAP PAGE: what the header promises is what the library gives, no more and no less, and all of
it is in the manual page."""
import re
import subprocess
import sys

library, header, symbol_map, page = sys.argv[1:5]

with open(header, encoding='utf-8') as file:
    text = re.sub(r'/\*.*?\*/', '', file.read(), flags=re.S)
promised = set(re.findall(r'\b(tpmid_\w+) \(', text))
with open(symbol_map, encoding='utf-8') as file:
    mapped = set(re.findall(r'^\s+(tpmid_\w+);', file.read(), flags=re.M))

with open(page, encoding='utf-8') as file:
    explained = set(re.findall(r'\b(tpmid_\w+) \(', file.read()))

dynamic = subprocess.run(['readelf', '--dyn-syms', '-W', library], check=True, capture_output=True, text=True).stdout
given = set(re.findall(r'FUNC\s+GLOBAL\s+DEFAULT\s+\d+\s+(\w+)@@LIBTPMID_', dynamic))
needed = subprocess.run(['readelf', '-d', '-W', library], check=True, capture_output=True, text=True).stdout

results = [
    ('the map lists what the header promises', promised == mapped and promised, promised ^ mapped),
    ('the library exports what the header promises, with versions', promised == given, promised ^ given),
    ('tpmid(3) names every function', promised <= explained, promised - explained),
    ('the library needs no GLib', 'libsystemd.so' in needed and 'glib' not in needed and 'gio' not in needed, needed),
]
print(f'1..{len(results)}')
for number, (name, good, detail) in enumerate(results, 1):
    print(f'{"ok" if good else "not ok"} {number} - {name}')
    if not good:
        print('\n'.join(f'# {line}' for line in str(detail).splitlines()))
sys.exit(0 if all(good for _, good, _ in results) else 1)
