"""The plan as a person reads it: every group a line, and the picture shows what is where."""

from __future__ import annotations

import re

from spindle.compiler.pipeline import explain, passed
from spindle.compiler.place import place
from spindle.compiler.schedule import schedule
from spindle.compiler.story import WIDTH, arena_over_time, letter, table
from spindle.compiler.targets import AVX2, target
from spindle.model.family import mobilenet_v2
from spindle.model.weights import Model, initial

GRAPH = mobilenet_v2(0.35, 96, classes=5)
MODEL = Model(GRAPH, initial(GRAPH), "classify")


def test_the_table_adds_up() -> None:
    graph, _ = passed(GRAPH, MODEL.weights)
    plan = schedule(graph, AVX2, 2)
    arena = place(plan)
    first, *lines = table(plan, arena).splitlines()
    assert first.split()[0] == "group" and len(lines) == len(plan.groups)
    assert [line.split()[0] for line in lines] == [group.name for group in plan.groups]
    assert sum(int(line.split()[1]) for line in lines) == len(graph.ops)
    madds = sum(float(line.split()[4]) for line in lines)
    assert abs(madds - graph.madds / 1e6) < 0.01 * len(lines)
    assert max(int(line.split()[-1].replace(",", "")) for line in lines) <= arena.bytes


def test_the_picture_shows_each_group_s_bytes() -> None:
    graph, _ = passed(GRAPH, MODEL.weights)
    plan = schedule(graph, AVX2, 1)
    arena = place(plan)
    first, *lines, last = arena_over_time(plan, arena).splitlines()
    assert first.endswith(f"{arena.bytes:,}") and last.startswith("= rings")
    each = arena.bytes / WIDTH
    for number, (line, group) in enumerate(zip(lines, plan.groups, strict=True)):
        name, picture = line[:22].strip(), line[23:].ljust(WIDTH)
        assert name == group.name and len(picture) == WIDTH
        here = [s for s in arena.spans if s.bytes and s.first <= number <= s.last]
        for place_ in range(WIDTH):
            low, high = place_ * each, (place_ + 1) * each
            there = {
                letter(s) for s in here
                if arena.offsets[s.name] < high and low < arena.offsets[s.name] + s.bytes
            }  # fmt: skip
            assert picture[place_] in (there or {" "}), (name, place_)


def test_explaining_says_what_each_pass_did() -> None:
    for memory in (None, 300_000):
        text = explain(MODEL, target("x86-64-v3"), 1, memory)
        fold, fuse, cast, schedule_, place_, *_ = text.splitlines()
        assert re.fullmatch(r"fold +(\d+) -> \1 ops, [\d,]+ -> [\d,]+ numbers", fold)
        before, after = map(int, re.findall(r"(\d+) -> (\d+) ops", fuse)[0])
        assert before == len(GRAPH.ops) and before - after >= 10
        assert re.fullmatch(r"cast +(\d+) -> \1 ops, ([\d,]+) -> \2 numbers", cast)
        assert schedule_.startswith("schedule") and place_.endswith("bytes")
        size = int(place_.split()[1].replace(",", ""))
        assert memory is None or size <= memory
