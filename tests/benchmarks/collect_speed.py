"""`zoo collect` beside img2dataset: the same well-behaved server on loopback, the same number of connections.

    python tests/benchmarks/collect_speed.py --img2dataset ENV/bin/img2dataset [--pictures 5000] [--rounds 3]

img2dataset belongs in an environment of its own. Three ways of it are run in every round: as it comes (pictures made
256 pixels large and encoded anew), `resize_mode no` (decoded and encoded anew at their size), and
`disable_all_reencoding` (written as they came and not looked at). `zoo collect` decodes each, compares it with all
others, syncs it to disk and accounts for it. Prints seconds and ratios.
"""

from __future__ import annotations

import argparse
import asyncio
import io
import multiprocessing
import os
import shutil
import subprocess
import sys
import tempfile
import time
import zlib
from pathlib import Path
from statistics import median

import numpy as np
from aiohttp import web
from PIL import Image


def draw(number: int, size: tuple[int, int]) -> bytes:
    """A photograph's size in bytes and pixels, and no other's looks."""
    random = np.random.default_rng(zlib.crc32(str(number).encode()))
    coarse = Image.fromarray(random.integers(0, 256, (12, 16, 3), np.uint8)).resize(size, Image.Resampling.BICUBIC)
    grain = random.integers(-20, 21, (size[1], size[0], 1), np.int16)
    file = io.BytesIO()
    Image.fromarray((np.asarray(coarse) + grain).clip(0, 255).astype(np.uint8)).save(file, "JPEG", quality=85)
    return file.getvalue()


def serve(folder: str, ports: multiprocessing.Queue) -> None:
    async def picture(request: web.Request) -> web.StreamResponse:
        name = request.match_info["name"]
        if name == "robots.txt":
            raise web.HTTPNotFound
        return web.Response(body=contents[name], content_type="image/jpeg")

    async def run() -> None:
        app = web.Application()
        app.router.add_get("/{name}", picture)
        runner = web.AppRunner(app, access_log=None)
        await runner.setup()
        site = web.TCPSite(runner, "127.0.0.1", 0)
        await site.start()
        ports.put(runner.addresses[0][1])
        await asyncio.Event().wait()

    contents = {path.name: path.read_bytes() for path in Path(folder).iterdir()}
    asyncio.run(run())


def timed(command: list[str], folder: Path) -> tuple[float, int, float]:
    """Seconds, files of pictures, and the peak of memory of the largest process in MiB."""
    start = time.perf_counter()
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)
    assert process.stderr is not None
    errors = process.stderr.read()
    _, status, usage = os.wait4(process.pid, 0)
    seconds = time.perf_counter() - start
    if status:
        raise SystemExit(f"{command}\n{errors}")
    count = sum(1 for path in folder.rglob("*") if path.suffix in (".jpg", ".jpeg"))
    return seconds, count, usage.ru_maxrss / 1024


def commands(args: argparse.Namespace, source: Path, where: Path) -> dict[str, tuple[list[str], Path]]:
    connections = str(args.connections)
    zoo = [
        sys.executable,
        "-m",
        "zoo.commands.main",
        "collect",
        str(source),
        "-o",
        str(where / "zoo"),
        "--allow-private",
    ]
    zoo += ["--delay", "0", "--connections", connections, "--per-host", connections, "--contact", "benchmark"]
    ways = {"zoo collect": (zoo, where / "zoo")}
    if args.img2dataset:
        for name, more in {
            "img2dataset, as it comes": [],
            "img2dataset, resize_mode no": ["--resize_mode", "no"],
            "img2dataset, no reencoding": ["--resize_mode", "no", "--disable_all_reencoding", "True"],
        }.items():
            out = where / name.replace(" ", "_")
            peer = [args.img2dataset, "--url_list", str(source), "--input_format", "txt", "--output_folder", str(out)]
            peer += ["--output_format", "files", "--processes_count", str(args.processes), "--enable_wandb", "False"]
            threads = str(max(1, args.connections // args.processes))
            ways[name] = ([*peer, "--thread_count", threads, *more], out)
    return ways


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--img2dataset", metavar="COMMAND")
    parser.add_argument("--pictures", type=int, default=5000)
    parser.add_argument("--connections", type=int, default=32)
    parser.add_argument("--processes", type=int, default=1, help="img2dataset processes, which share the connections")
    parser.add_argument("--size", type=int, nargs=2, default=(500, 375))
    parser.add_argument("--rounds", type=int, default=3)
    args = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        (folder / "served").mkdir()
        for number in range(args.pictures):
            (folder / "served" / f"{number}.jpg").write_bytes(draw(number, tuple(args.size)))
        ports: multiprocessing.Queue = multiprocessing.get_context("spawn").Queue()
        server = multiprocessing.get_context("spawn").Process(target=serve, args=(str(folder / "served"), ports))
        server.start()
        try:
            port = ports.get()
            source = folder / "list.txt"
            source.write_text("".join(f"http://127.0.0.1:{port}/{n}.jpg\n" for n in range(args.pictures)))
            compare(args, source, folder)
        finally:
            server.terminate()
            server.join()


def compare(args: argparse.Namespace, source: Path, folder: Path) -> None:
    seconds: dict[str, list[float]] = {}
    for round_ in range(args.rounds):
        for name, (command, out) in commands(args, source, folder).items():
            took, count, memory = timed(command, out)
            shutil.rmtree(out)
            seconds.setdefault(name, []).append(took)
            print(f"round {round_ + 1}  {name:28}  {took:6.1f} s  {count} pictures  peak {memory:.0f} MiB", flush=True)
    own = median(seconds["zoo collect"])
    for name, found in seconds.items():
        print(f"{name:28}  median {median(found):6.1f} s, {median(found) / own:.2f} x the time of zoo collect")


if __name__ == "__main__":
    main()
