"""What would one like to see of a plan?  Its groups as a table, and its arena over time."""

from __future__ import annotations

from spindle.compiler.place import Arena, Span
from spindle.compiler.schedule import Plan
from spindle.compiler.walk import sinks

WIDTH = 64  # letters for the whole arena


def table(plan: Plan, arena: Arena) -> str:
    """A line a group: what it is for, in how many rows, what it costs and what it holds."""
    lines = [
        f"{'group':<22} {'ops':>3} {'rows':>5} {'shared by':<9} {'M madds':>8} {'rings':>9} "
        f"{'alive':>10}"
    ]
    for number, group in enumerate(plan.groups):
        madds = sum(op.madds for op in group.ops) / 1e6
        rings = next((s.bytes for s in arena.spans if s.name == f"{group.name}.rings"), 0)
        alive = sum(span.bytes for span in arena.spans if span.first <= number <= span.last)
        rows = group.rows[sinks(group, plan.graph)[-1].name]
        way = "channels" if group.lanes else "rows"
        lines.append(
            f"{group.name:<22} {len(group.ops):>3} {rows:>5} {way:<9} {madds:>8.2f} "
            f"{rings:>9,} {alive:>10,}"
        )
    return "\n".join(lines)


def arena_over_time(plan: Plan, arena: Arena) -> str:
    """A line a group: which bytes of the arena hold rings (=), tensors (#) and rest (-)."""
    each = max(arena.bytes / WIDTH, 1)
    lines = [f"{'arena':<22} 0{arena.bytes:>{WIDTH - 1},}"]
    for number, group in enumerate(plan.groups):
        line = [" "] * WIDTH
        for span in arena.spans:
            if span.bytes and span.first <= number <= span.last:
                at = arena.offsets[span.name]
                first = min(int(at / each), WIDTH - 1)
                for place in range(first, max(int((at + span.bytes - 1) / each) + 1, first + 1)):
                    line[min(place, WIDTH - 1)] = letter(span)
        lines.append(f"{group.name:<22} {''.join(line)}")
    return "\n".join([*lines, "= rings   # whole tensors   - zeros, and where threads meet"])


def letter(span: Span) -> str:
    if span.name in ("zeros", "meeting"):
        return "-"
    return "=" if span.name.endswith((".rings", ".beside")) else "#"
