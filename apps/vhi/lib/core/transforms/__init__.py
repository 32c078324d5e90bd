"""Post-transforms of the grade map: one module each, found by itself.

A post-transform is a small frozen dataclass over a pure function, called like a MONAI dictionary transform: it takes a
mapping and returns a new dictionary in which the values under its `keys` are replaced. Its settings are its fields, and the
command line and the viewers offer them by name. To add one, write a module here with a `PostTransform` subclass, and its test.
"""

from importlib import import_module
from pkgutil import iter_modules

from ..post_transform import PostTransform

for _module in iter_modules(__path__):
    import_module(f"{__name__}.{_module.name}")

POST_TRANSFORMS: tuple[type[PostTransform], ...] = tuple(
    sorted(PostTransform.__subclasses__(), key=lambda cls: (cls.order, cls.__name__))
)

__all__ = ["POST_TRANSFORMS", "PostTransform"]
