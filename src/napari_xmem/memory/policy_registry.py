"""Policies by name: one registry per kind, so that a wrong name can list the right ones."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Generic, TypeVar, cast

from napari_xmem.config.policies import BUILT_IN, METHODS, announce, given_policy, policy_name
from napari_xmem.config.settings import shown
from napari_xmem.errors import ConfigError
from napari_xmem.memory.policy_checks import CheckedPolicy, asked, try_policy

if TYPE_CHECKING:
    from collections.abc import Callable

    from napari_xmem.config import MemoryConfig
    from napari_xmem.config.policies import PolicyName

__all__ = ["Registry"]

P = TypeVar("P")


class Registry(Generic[P]):
    """Builders of one kind of policy.

    Parameters
    ----------
    field : str
        Field of `MemoryConfig` that names the policy.
    """

    def __init__(self, field: str) -> None:
        self.field = field
        self._builders: dict[str, Callable[[MemoryConfig], P]] = {}
        self._tried: set[int] = set()

    @property
    def names(self) -> tuple[str, ...]:
        """Registered names, in order of registration."""
        return tuple(self._builders)

    def register(self, name: str, build: Callable[[MemoryConfig], P] | P) -> PolicyName:
        """Make a policy known, after a trial on a few elements.

        A name that was registered before is replaced, as when a cell of a notebook runs again; those of the package
        are not.

        Parameters
        ----------
        name : str
            What `MemoryConfig` is to call it.
        build : callable or policy
            Makes the policy of a `MemoryConfig`; or the policy itself, where it needs no settings.

        Returns
        -------
        str
            The name.

        Raises
        ------
        ConfigError
            If the name is one of the package's, or the policy does not answer as its protocol says.
        """
        if not isinstance(name, str) or not name:
            raise ConfigError(f"the name of a policy is {shown(name)}, expected text.")
        if name in self._builders and name in BUILT_IN[self.field]:
            raise ConfigError(f"{self.field} {name!r} comes with the package; choose another name.")
        if not isinstance(build, type) and callable(getattr(build, METHODS[self.field], None)):
            policy = cast("P", build)
            made: Callable[[MemoryConfig], P] = lambda config: policy  # noqa: E731
        elif callable(build):
            made = build
        else:
            raise ConfigError(
                f"{self.field} {name!r} is {shown(build)}, expected a policy with a method {METHODS[self.field]}(), or "
                "a function that makes one of a MemoryConfig."
            )
        if name not in BUILT_IN[self.field]:
            from napari_xmem.config import MemoryConfig

            policy = asked(self.field, name, "making it", lambda: made(MemoryConfig()))
            try_policy(self.field, name, policy)
        self._builders[name] = made
        return announce(self.field, name)

    def build(self, config: MemoryConfig) -> P:
        """Return the policy that ``config`` names; `ConfigError` of `policy_name` lists the right names."""
        name = policy_name(self.field, getattr(config, self.field))
        if name in BUILT_IN[self.field]:
            return self._builders[name](config)
        if name in self._builders:
            policy: Any = asked(self.field, name, "making it", lambda: self._builders[name](config))
            return cast("P", CheckedPolicy(self.field, name, policy))
        given = given_policy(self.field, name)
        if id(given) not in self._tried:
            try_policy(self.field, name, given)
            self._tried.add(id(given))
        return cast("P", CheckedPolicy(self.field, name, given))
