"""How does a shell complete what is typed?  By a script of all verbs, their flags and values."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Literal

from spindle.app.verbs import Word

Shell = Literal["bash", "zsh", "fish"]
Words = Mapping[str, tuple[str, Sequence[Word]]]  # what a verb says of itself, and what follows it

BASH = """\
_spindle() {{
    local verb=${{COMP_WORDS[1]}} last=${{COMP_WORDS[COMP_CWORD-1]}} now=${{COMP_WORDS[COMP_CWORD]}}
    local place=$COMP_CWORD said=
{cases}
    COMPREPLY=()
    [ -z "$said" ] || COMPREPLY=($(compgen -W "$said" -- "$now"))
}}
complete -o default -F _spindle spindle
"""
ZSH = """\
#compdef spindle
_spindle() {{
    local verb=$words[2] last=$words[CURRENT-1] now=$words[CURRENT]
    local place=$((CURRENT - 1)) said=
{cases}
    if [ -n "$said" ]; then compadd -- ${{=said}}; else _files; fi
}}
compdef _spindle spindle
"""


def script(shell: Shell, words: Words) -> str:
    match shell:
        case "bash":
            return BASH.format(cases=cases(words))
        case "zsh":
            return ZSH.format(cases=cases(words))
        case "fish":
            return "\n".join(fish(words)) + "\n"
    raise NotImplementedError(shell)


def cases(words: Words) -> str:
    """What may be said at a place: a verb; the value of the flag before; a flag; else a file."""
    lines = ['    case "$place $verb $last $now" in', f'    1\\ *) said="{" ".join(words)}" ;;']
    for verb, (_, known) in words.items():
        for word in known:
            for before in word.flags or (verb,):
                if word.choices:
                    place = "*" if word.flags else "2"
                    pattern = f"{place}\\ {verb}\\ {before}\\ *"
                    lines.append(f'    {pattern}) said="{" ".join(word.choices)}" ;;')
    for verb, (_, known) in words.items():
        flags = " ".join(flag for word in known for flag in word.flags)
        lines.append(f'    *\\ {verb}\\ *\\ -*) said="{flags}" ;;')
    return "\n".join([*lines, "    esac"])


def fish(words: Words) -> Iterator[str]:
    for verb, (about, known) in words.items():
        begin = "complete -c spindle -n"
        yield f"{begin} __fish_use_subcommand -f -a {verb} -d {quoted(about)}"
        for word in known:
            parts = [f"-{'l' if f.startswith('--') else 's'} {f.lstrip('-')}" for f in word.flags]
            if word.choices:
                parts.append(f"-{'x' if word.flags else 'f'} -a {quoted(' '.join(word.choices))}")
            elif word.flags and not word.alone:
                parts.append("-r")
            if parts:
                seen = f"'__fish_seen_subcommand_from {verb}'"
                yield f"{begin} {seen} {' '.join(parts)} -d {quoted(word.says)}"


def quoted(text: str) -> str:
    text = text.replace("\\", "\\\\").replace("'", "\\'")
    return f"'{text}'"
