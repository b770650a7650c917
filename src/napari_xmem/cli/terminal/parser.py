"""The parser of all subcommands: whole names only, one line per mistake, and what may have been meant."""

from __future__ import annotations

import argparse
import difflib
import re
from typing import TYPE_CHECKING, Any, NoReturn

from napari_xmem.cli.terminal.exit_codes import EXIT_BAD_INPUT, EXIT_CODES
from napari_xmem.cli.terminal.printing import say_error

if TYPE_CHECKING:
    from collections.abc import Sequence

__all__ = ["Parser", "options_of", "spread_memory"]

#: Options that may be followed by an empty text.
_MAY_BE_EMPTY = {"--seeds-suffix"}
_SETTING = re.compile(r"[A-Za-z][\w-]*=")


class Parser(argparse.ArgumentParser):
    """Says what is wrong in one line, what may have been meant, and where help is.

    Parameters
    ----------
    examples : str
        Commands to show below the help.
    foreign : dict
        Options that other programs, or other subcommands, have here, to what is said about them.
    **options
        Of `argparse.ArgumentParser`.
    """

    def __init__(self, *, examples: str = "", foreign: dict[str, str] | None = None, **options: Any) -> None:
        options.setdefault("formatter_class", _Formatter)
        options.setdefault("allow_abbrev", False)
        shown = f"examples:\n{examples.rstrip()}\n\n" if examples else ""
        options.setdefault("epilog", shown + EXIT_CODES)
        super().__init__(**options)
        self.foreign = foreign or {}

    def error(self, message: str) -> NoReturn:
        """Say what is wrong and leave."""
        lacking = re.fullmatch(r"argument (?:\S+/)?(--[\w-]+): expected (?:one|at least one) argument", message)
        if lacking:
            action = self._option_string_actions[lacking[1]]
            name = action.metavar or (
                f"one of {', '.join(map(str, action.choices))}" if action.choices else "its value"
            )
            message = f"{lacking[1]} is given without {name if isinstance(name, str) else name[0]}"
        say_error(f"{message.rstrip('.')} (see {self.prog} --help)")
        raise SystemExit(EXIT_BAD_INPUT)

    def check_names(self, argv: Sequence[str]) -> None:
        """Refuse options that there are not, before argparse says what is missing or takes ``-out`` for ``-o ut``.

        Refuse empty texts as well, which would be taken for the current folder: mostly a variable without a value.
        """
        known = options_of(self)
        for before, word in zip(("", *argv), argv, strict=False):
            if word == "--":
                return
            name, equals, value = word.partition("=")
            option = name if equals else before
            is_empty = not word or (equals and not value and name in known)
            if is_empty and option not in _MAY_BE_EMPTY:
                whose = f" for {option}" if option.startswith("-") else ""
                self.error(f"an empty text is given{whose}; is a variable not set?")
            as_long = name.startswith("-") and len(name) > 3 and any(o.startswith(f"-{name}") for o in known)
            if as_long or (name.startswith("--") and len(name) > 2 and name not in known):
                self.refuse([word])

    def refuse(self, rest: Sequence[str]) -> NoReturn:
        """Say what is wrong with arguments that nobody has taken."""
        strangers = [word for word in rest if word.startswith("-") and len(word) > 1]
        if not strangers:
            self.error(f"{' '.join(rest)}: not expected here{self._about_files()}")
        name = strangers[0].partition("=")[0]
        if name in self.foreign:
            self.error(f"{name}: {self.foreign[name]}")
        long = f"--{name.lstrip('-')}"
        near = difflib.get_close_matches(long, options_of(self), n=1, cutoff=0.5)
        guess = ([option for option in options_of(self) if option.startswith(long)] or near)[:1]
        self.error(f"there is no option {name}{f'; did you mean {guess[0]}?' if guess else ''}")

    def _about_files(self) -> str:
        return f"; {self.foreign['*']}" if "*" in self.foreign else ""

    def _check_value(self, action: argparse.Action, value: Any) -> None:
        choices = action.choices
        if choices is None or value in choices:
            return
        known = [str(choice) for choice in choices]
        near = difflib.get_close_matches(str(value).lower(), known, n=1)
        guess = f"; did you mean {near[0]}?" if near else ""
        raise argparse.ArgumentError(action, f"{str(value)!r} is none of {', '.join(known)}{guess}")


class _Formatter(argparse.RawDescriptionHelpFormatter):
    """Keeps examples as they are, and gives options a column of their own."""

    def __init__(self, prog: str) -> None:
        super().__init__(prog, max_help_position=32)


def options_of(parser: argparse.ArgumentParser) -> list[str]:
    """Return the long options of a parser, as people write them."""
    return [text for action in parser._actions for text in action.option_strings if text.startswith("--")]


def spread_memory(argv: Sequence[str], paper: str) -> list[str]:
    """Write ``--memory A=1 B=2`` as ``--memory=A=1 --memory=B=2``, so that it does not swallow the movie after it."""
    found: list[str] = []
    words = iter(argv)
    word = next(words, None)
    while word is not None:
        if word != "--memory":
            found.append(word)
            word = next(words, None)
            continue
        word = next(words, None)
        if word is None or word.startswith("-"):
            found.append("--memory")  # argparse says what is missing
            continue
        first = True
        while word is not None and (first or word == paper or _SETTING.match(word)):
            found.append(f"--memory={word}")
            first = False
            word = next(words, None)
    return found
