# SPDX-License-Identifier: LGPL-2.1-or-later
"""The events of crash-events.h, and what a power cut loses of them.

The model, of which every outcome is one that POSIX permits: what was written to a file is safe once that file was synced; that
a name came, went or changed is safe once its folder was synced (of two folders, one of them). "torn" keeps all names, and
takes all that was written and is not safe from the files; "lost" takes back the names that are not safe as well, the last one
first."""
import collections
import os
import pathlib
import shutil

Event = collections.namedtuple("Event", "kind number what fields")


class Log:
    """A log that is complete, read once."""

    def __init__(self, path):
        self.events, self.bad, self.crash = [], [], None
        for line in pathlib.Path(path).read_text(errors="replace").splitlines():
            kind, *fields = line.split("\t")
            if kind == "tpm":
                self.events.append(Event(kind, int(fields[0]), int(fields[1], 16), []))
            elif kind == "file":
                self.events.append(Event(kind, int(fields[0]), fields[1], fields[2:]))
            elif kind == "crash":
                self.crash = f"{fields[0]}:{fields[1]}"
            else:
                self.bad.append(" ".join(fields))

    def counted(self, kind):
        return max([event.number for event in self.events if event.kind == kind], default=0)

    def commands(self):
        return [event.what for event in self.events if event.kind == "tpm"]

    def paths(self):
        """The files that were changed; folders are not among them."""
        found = set()
        for event in self.events:
            if event.kind == "file" and event.what not in ("mkdir", "rmdir", "sync", "sync-folder"):
                found.update(field for field in event.fields if field.startswith("/"))
        return found


class Disk:
    """Goes through a log; what is not safe at its end can then be lost."""

    def __init__(self, log, saved):
        self.saved = pathlib.Path(saved)
        self.dirty = {}    # inode -> name of what was safe, or "-"
        self.pending = []  # (folders, function that takes the name back)
        for event in log.events:
            if event.kind == "file":
                self.follow(event.what, *event.fields)

    def follow(self, what, *fields):
        handler = getattr(self, "on_" + what.replace("-", "_"))
        handler(*fields)

    def name_changed(self, paths, undo, *arguments):
        self.pending.append(({os.path.dirname(path) for path in paths}, undo, arguments))

    def on_create(self, inode, path):
        self.dirty[int(inode)] = "-"
        self.name_changed([path], self.undo_create, path)

    def on_write(self, inode, saved, _path):
        self.dirty.setdefault(int(inode), saved)

    def on_sync(self, inode, _path):
        self.dirty.pop(int(inode), None)

    def on_sync_folder(self, _inode, path):
        self.pending = [change for change in self.pending if path not in change[0]]

    def on_rename(self, saved, old, new):
        self.name_changed([old, new], self.undo_rename, saved, old, new)

    def on_exchange(self, _saved, old, new):
        self.name_changed([old, new], self.undo_exchange, old, new)

    def on_unlink(self, saved, path):
        self.name_changed([path], self.undo_unlink, saved, path)

    def on_link(self, _saved, _old, new):
        self.name_changed([new], self.undo_create, new)

    def on_mkdir(self, path):
        self.name_changed([path], self.undo_mkdir, path)

    def on_rmdir(self, path):
        parent = os.stat(os.path.dirname(path))
        self.name_changed([path], self.undo_rmdir, path, parent)

    def on_chmod(self, _path):
        """Modes are not lost: a file is made with the narrow one."""

    @staticmethod
    def undo_create(path):
        pathlib.Path(path).unlink(missing_ok=True)

    def undo_rename(self, saved, old, new):
        os.rename(new, old)
        self.undo_unlink(saved, new)

    @staticmethod
    def undo_exchange(old, new):
        os.rename(old, f"{old}.exchanged")
        os.rename(new, old)
        os.rename(f"{old}.exchanged", new)

    def undo_unlink(self, saved, path):
        if saved != "-":
            os.rename(self.saved / saved, path)

    @staticmethod
    def undo_mkdir(path):
        shutil.rmtree(path)

    @staticmethod
    def undo_rmdir(path, parent):
        os.mkdir(path, 0o700)
        os.chown(path, parent.st_uid, parent.st_gid)

    def lose(self, roots, names_too):
        """Returns sentences: what was lost."""
        lost = [f"lost the content of {path}" for path in self.lose_content([*roots, self.saved])]
        if names_too:
            for _folders, undo, arguments in reversed(self.pending):
                undo(*arguments)
                lost.append(f"took back: {undo.__name__[5:]} {' '.join(map(str, arguments))}")
        return lost

    def lose_content(self, roots):
        for path in files_below(roots):
            saved = self.dirty.get(path.lstat().st_ino)
            if saved is None:
                continue
            path.write_bytes((self.saved / saved).read_bytes() if saved != "-" else b"")
            yield path


def files_below(roots):
    """Sorted, without folders."""
    return sorted(path for root in roots for path in pathlib.Path(root).rglob("*") if not path.is_dir() or path.is_symlink())


def take_stock(roots):
    """Path -> what changes when the file does."""
    found = {}
    for path in files_below(roots):
        stat = path.lstat()
        found[str(path)] = (stat.st_ino, stat.st_mtime_ns, stat.st_size)
    return found


def copy_device(source, target):
    """A folder with owners, modes and all."""
    os.mkdir(target)
    for entry in os.scandir(source):
        path = os.path.join(target, entry.name)
        if entry.is_symlink():
            os.symlink(os.readlink(entry.path), path)
        elif entry.is_dir():
            copy_device(entry.path, path)
        else:
            shutil.copyfile(entry.path, path)
        if not entry.is_symlink():
            stat = entry.stat()
            os.chown(path, stat.st_uid, stat.st_gid)
            os.chmod(path, stat.st_mode & 0o7777)
    stat = os.stat(source)
    os.chown(target, stat.st_uid, stat.st_gid)
    os.chmod(target, stat.st_mode & 0o7777)
