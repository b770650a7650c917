"""Names of memory policies: the built-in ones, those that a script registered, and those it gave as objects.

What policies do is the affair of `napari_xmem.memory`; here it is only known what they are called, so that a wrong name
is refused when a config is made and a config that holds a policy stays plain text.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal, NewType, Protocol, get_args

from napari_xmem.config.settings import did_you_mean, shown
from napari_xmem.errors import ConfigError

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = [
    "BUILT_IN",
    "METHODS",
    "EvictionName",
    "EvictionPolicy",
    "PolicyName",
    "PotentiationName",
    "PotentiationPolicy",
    "SelectionName",
    "SelectionPolicy",
    "announce",
    "given_policy",
    "policy_name",
]

#: A name that was registered.
PolicyName = NewType("PolicyName", str)
SelectionName = Literal["usage", "novelty", "usage+novelty", "uniform"]
PotentiationName = Literal["affinity", "importance", "consistency", "importance+consistency"]
EvictionName = Literal[
    "usage", "age", "relevance", "contribution", "mix", "coverage", "relevance+freshness", "usage+coverage"
]


class SelectionPolicy(Protocol):
    """Anything with the method of `napari_xmem.memory.prototype_selection.PrototypeSelection`."""

    @property
    def select(self) -> Callable[..., Any]:
        """Choose prototypes."""
        ...


class PotentiationPolicy(Protocol):
    """Anything with the method of `napari_xmem.memory.potentiation.Potentiation`."""

    @property
    def log_prior(self) -> Callable[..., Any]:
        """Weigh candidates."""
        ...


class EvictionPolicy(Protocol):
    """Anything with the method of `napari_xmem.memory.eviction.Eviction`."""

    @property
    def worth(self) -> Callable[..., Any]:
        """Rate elements."""
        ...


#: Field of `MemoryConfig` to the names that are always there, in the order of lists.
BUILT_IN: dict[str, tuple[str, ...]] = {
    "prototype_selection": get_args(SelectionName),
    "potentiation": get_args(PotentiationName),
    "eviction": get_args(EvictionName),
}
#: Field of `MemoryConfig` to the method that its policies have.
METHODS = {"prototype_selection": "select", "potentiation": "log_prior", "eviction": "worth"}
_registered: dict[str, list[str]] = {field: [] for field in BUILT_IN}
_given: dict[str, dict[str, object]] = {field: {} for field in BUILT_IN}


def announce(field: str, name: str) -> PolicyName:
    """Let a name be used in configs from now on."""
    if name not in BUILT_IN[field] and name not in _registered[field]:
        _registered[field].append(name)
    return PolicyName(name)


def policy_name(field: str, policy: Any) -> str:
    """Return the name of a policy that is given by name or as an object.

    Parameters
    ----------
    field : str
        Field of `MemoryConfig`.
    policy : str or object
        An object keeps the name of its class; another of the same class, that is not equal, gets a number behind it.

    Raises
    ------
    ConfigError
        If there is no such name, or it is no policy of this kind.
    """
    if isinstance(policy, str):
        known = [*BUILT_IN[field], *_registered[field], *_given[field]]
        if policy not in known:
            raise ConfigError(
                f"{field} is {policy!r}, expected one of {', '.join(map(repr, known))}{did_you_mean(policy, known)}."
            )
        return policy
    if isinstance(policy, type) or not callable(getattr(policy, METHODS[field], None)):
        raise ConfigError(
            f"{field} is {shown(policy)}, expected one of {', '.join(map(repr, BUILT_IN[field]))}, or an object with a "
            f"method {METHODS[field]}()."
        )
    for name, other in _given[field].items():
        if other is policy or (type(other) is type(policy) and other == policy):
            return name
    plain = type(policy).__name__
    taken = {*BUILT_IN[field], *_registered[field], *_given[field]}
    name = next(name for k in range(1, len(taken) + 3) if (name := plain if k == 1 else f"{plain}-{k}") not in taken)
    _given[field][name] = policy
    return name


def given_policy(field: str, name: str) -> Any:
    """Return the object that was given under a name; None if none was."""
    return _given[field].get(name)
