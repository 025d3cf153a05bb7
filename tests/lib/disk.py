# SPDX-License-Identifier: Apache-2.0
"""A state directory on a small file system of its own, which a test can fill up."""
from .system import sh


def mount_small(world, path, size="2m"):
    """In the daemon's mount namespace; ends with it."""
    path.mkdir(exist_ok=True)
    sh("nsenter", f"--mount=/proc/{world.holder.pid}/ns/mnt", "mount", "-t", "tmpfs", "-o", f"size={size},nr_inodes=64,mode=755",
       "none", path)


def fill(world, path):
    """To the last block and inode."""
    world.python(f"""
import itertools, os
os.mkdir("{path}")
try:
    with open("{path}/blocks", "wb", buffering=0) as f:
        while True: f.write(bytes(4096))
except OSError as e:
    assert e.errno == 28, e
try:
    for n in itertools.count(): open(f"{path}/{{n}}", "x").close()
except OSError as e:
    assert e.errno == 28, e""")


def empty(world, path):
    assert world.run_in(world.load, ["rm", "-r", path]).returncode == 0
