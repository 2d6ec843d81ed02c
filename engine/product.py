"""A kind of file that a job can write: when it is asked for, its names, how it is written."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Generic, TypeVar

RequestT = TypeVar("RequestT")
PlanT = TypeVar("PlanT")
FindingsT = TypeVar("FindingsT")


@dataclass(frozen=True, slots=True)
class Product(Generic[RequestT, PlanT, FindingsT]):
    """One entry of a tool's table. Formats that import much are imported when they are written."""

    asked: Callable[[RequestT], bool]
    names: Callable[[PlanT], tuple[str, ...]]
    write: Callable[[FindingsT, Path], None]


Products = Mapping[str, Product[RequestT, PlanT, FindingsT]]


def asked(
    products: Products[RequestT, PlanT, FindingsT], request: RequestT
) -> Products[RequestT, PlanT, FindingsT]:
    """Those of `products` that `request` asks for."""
    return {name: product for name, product in products.items() if product.asked(request)}


def file_names(
    products: Products[RequestT, PlanT, FindingsT], request: RequestT, plan: PlanT
) -> tuple[str, ...]:
    """The names of all files that `request` will write, as far as the plan tells."""
    return tuple(
        name for product in asked(products, request).values() for name in product.names(plan)
    )
