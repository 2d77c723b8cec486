"""The machine at hand is found out, the others are named."""

from __future__ import annotations

import platform
from pathlib import Path

import pytest

from spindle.compiler import targets
from spindle.compiler.targets import AVX2, AVX512, I8MM, NEON, PLAIN, V3, V4, native, target

EPYC = frozenset(["sse4_2", "hypervisor", "sha_ni", "avx", *V3])


def test_every_name_is_a_target_and_no_other() -> None:
    for name in targets.NAMES:
        assert target(name).name == name
    with pytest.raises(ValueError, match="no target 'z80': choose native, x86-64-v3, .*wasm32"):
        target("z80")


@pytest.mark.parametrize(
    ("machine", "has", "isa", "cpu"),
    [
        ("x86_64", EPYC, AVX2, "native"),
        ("x86_64", EPYC | set(V4), AVX512, "native"),
        ("x86_64", EPYC | {"avx512f"}, AVX2, "x86_64_v3"),  # half an AVX-512
        ("x86_64", EPYC - {"fma"}, PLAIN, "native"),
        ("x86_64", frozenset[str](), PLAIN, "native"),
        ("aarch64", frozenset(["asimd"]), NEON, "native"),
        ("aarch64", frozenset(["asimd", "asimddp", "i8mm"]), I8MM, "native"),
        ("riscv64", frozenset[str](), PLAIN, "native"),
    ],
)
def test_native_is_what_the_cpu_can_do(
    machine: str, has: frozenset[str], isa: targets.Isa, cpu: str
) -> None:
    found = native(("linux", machine), has)
    assert (found.isa, found.cpu, found.suffix) == (isa, cpu, ".so")
    assert set(found.needs) <= has


def test_where_little_is_told_of_a_cpu_only_its_level_is_used() -> None:
    found = native(("windows", "x86_64"), frozenset(V4))
    assert (found.isa, found.cpu, found.suffix) == (AVX512, "x86_64_v4", ".dll")


def test_what_no_compiler_uses_is_not_needed() -> None:
    needs = native(("linux", "x86_64"), EPYC).needs
    assert "hypervisor" not in needs and "sha_ni" in needs


def test_a_cpu_can_do_what_all_its_cores_can() -> None:
    assert targets.common("flags\t: a b\nname: x\n\nflags\t: b c\n") == {"b"}
    assert targets.common("processor: 1\n") == frozenset()
    assert targets.common("Features\t: asimd fp\n") == {"asimd", "fp"}


def test_this_machine_is_as_python_sees_it() -> None:
    assert platform.machine().lower() in (target().machine, "amd64", "arm64")
    told = Path("/proc/cpuinfo")
    if told.exists() and target().machine == "x86_64":
        assert (" avx2 " in told.read_text()) == (target().isa in (AVX2, AVX512))


def test_a_level_has_the_vectors_it_needs() -> None:
    for name in targets.FOREIGN:
        found = target(name)
        assert found.isa.lanes == 16 or "avx512f" not in found.needs
        assert (found.isa.lanes >= 8) == ("avx2" in found.needs)
