"""What memory policies answer is checked: policies may be anybody's, and a wrong answer would be believed."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, TypeVar

import torch
from torch import Tensor

from napari_xmem.config.policies import METHODS
from napari_xmem.config.settings import shown
from napari_xmem.errors import ConfigError, XMemError, is_out_of_memory
from napari_xmem.memory.affinity import augment_memory, augment_query

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["CheckedPolicy", "asked", "try_policy"]

T = TypeVar("T")
_ELEMENTS, _KEY_DIM, _VALUE_DIM = 6, 3, 4


def asked(field: str, name: str, doing: str, ask: Callable[[], T]) -> T:
    """Return what a policy answers.

    Raises
    ------
    ConfigError
        If it raises anything of its own: says which policy, where and what.
    """
    try:
        return ask()
    except XMemError:
        raise
    except Exception as error:
        if is_out_of_memory(error):
            raise
        raise ConfigError(f"{field} {name!r}: {doing} failed ({type(error).__name__}: {error}).") from error


class CheckedPolicy:
    """A policy whose answers are checked each time.

    Parameters
    ----------
    field, name : str
        Field of `MemoryConfig`, and what the policy is called there.
    policy : object
        What is asked.
    """

    def __init__(self, field: str, name: str, policy: Any) -> None:
        self._field, self._name, self._policy = field, name, policy
        self.__doc__ = policy.__doc__  # what menus say of it

    def __getattr__(self, name: str) -> Any:
        if name.startswith("_"):  # also while it is copied, before there is a policy
            raise AttributeError(name)
        return getattr(self._policy, name)

    def worth(self, **say: Tensor) -> Tensor:
        """As `Eviction.worth`.

        Raises
        ------
        ConfigError
            Unless the answer is one number per element.
        """
        return self._numbers(self._ask("worth", say), len(say["usage"]))

    def log_prior(self, **say: Tensor) -> Tensor | None:
        """As `Potentiation.log_prior`.

        Raises
        ------
        ConfigError
            Unless the answer is None or one number per candidate.
        """
        prior = self._ask("log_prior", say)
        return None if prior is None else self._numbers(prior, len(say["rows"]), "None or ")

    def select(self, *, count: int, **say: Tensor) -> Tensor:
        """As `PrototypeSelection.select`.

        Raises
        ------
        ConfigError
            Unless the answer is `count` different numbers of candidates.
        """
        chosen, n = self._ask("select", {**say, "count": count}), len(say["rows"])
        if not isinstance(chosen, Tensor) or chosen.dtype != torch.int64 or tuple(chosen.shape) != (count,):
            raise self._wrong(chosen, f"a tensor of int64 of shape ({count},)")
        if not bool(((chosen >= 0) & (chosen < n)).all()) or chosen.unique().numel() != count:
            raise ConfigError(
                f"{self._field} {self._name!r}: select() chose {shown(chosen.tolist())}, expected {count} different "
                f"numbers from 0 to {n - 1}."
            )
        return chosen

    def _ask(self, method: str, say: dict[str, Any]) -> Any:
        return asked(self._field, self._name, f"{method}()", lambda: getattr(self._policy, method)(**say))

    def _numbers(self, answer: Any, count: int, also: str = "") -> Tensor:
        if not isinstance(answer, Tensor) or tuple(answer.shape) != (count,) or answer.dtype.is_complex:
            raise self._wrong(answer, f"{also}a tensor of shape ({count},), a number per element")
        if bool(torch.isnan(answer).any()):
            raise ConfigError(f"{self._field} {self._name!r}: {METHODS[self._field]}() answered NaN, expected numbers.")
        return answer

    def _wrong(self, answer: Any, expected: str) -> ConfigError:
        given = (
            f"a tensor of {answer.dtype} and shape {tuple(answer.shape)}"
            if isinstance(answer, Tensor)
            else shown(answer)
        )
        return ConfigError(
            f"{self._field} {self._name!r}: {METHODS[self._field]}() answered {given}, expected {expected}."
        )


def _drawn(make: torch.Generator, *shape: int) -> Tensor:
    return torch.rand(*shape, generator=make, dtype=torch.float32, device="cpu")


def try_policy(field: str, name: str, policy: Any) -> None:
    """Ask a policy about a few made-up elements, so that it fails now and not hours later.

    Raises
    ------
    ConfigError
        If it has not the method, raises, or answers something else than its protocol says.
    """
    if isinstance(policy, type) or not callable(getattr(policy, METHODS[field], None)):
        raise ConfigError(f"{field} {name!r} is {shown(policy)}, expected an object with a method {METHODS[field]}().")
    make, tried = torch.Generator(device="cpu").manual_seed(0), CheckedPolicy(field, name, policy)
    keys, each = _drawn(make, _KEY_DIM, _ELEMENTS), _drawn(make, _ELEMENTS)
    rows = augment_memory(keys, 1 + each)
    queries = augment_query(keys, _drawn(make, _KEY_DIM, _ELEMENTS))
    if field == "eviction":
        ages = torch.arange(_ELEMENTS, dtype=torch.float32, device="cpu")
        tried.worth(usage=each, age_frames=ages, relevance=each, contribution=each, isolation=each)
    elif field == "potentiation":
        values = _drawn(make, 2, _ELEMENTS, _VALUE_DIM)
        valid = torch.ones(2, _ELEMENTS, dtype=torch.bool, device="cpu")
        block = torch.arange(_ELEMENTS, dtype=torch.int64, device="cpu") // 2
        tried.log_prior(rows=rows, queries=queries, block=block, values=values, valid=valid, trust=each)
    else:
        tried.select(rows=rows, queries=queries, usage=each, known=rows[:0], count=_ELEMENTS // 2)
