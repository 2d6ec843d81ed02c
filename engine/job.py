"""One task of a call, with all decided that can be decided before the scan is read."""

from dataclasses import dataclass

from totalseg_mcp.engine.files.outputs import check
from totalseg_mcp.engine.files.parameters import read_parameters
from totalseg_mcp.engine.measure.extraction import Extraction, extraction, version
from totalseg_mcp.engine.plan import Plan, plan
from totalseg_mcp.engine.product import file_names
from totalseg_mcp.engine.products import PRODUCTS
from totalseg_mcp.engine.request import Request


@dataclass(frozen=True, slots=True)
class Job:
    """What is asked for, what will be done, which radiomics features, if any.

    `leftovers` are the files of earlier runs that stay in the folder.
    """

    request: Request
    plan: Plan
    features: Extraction | None
    leftovers: tuple[str, ...]


def job(request: Request) -> Job:
    """The job that `request` asks for.

    Raises:
        EngineError: options contradict each other, a file is in the way, pyradiomics is
            missing, or its parameter file is not one.
    """
    chosen = plan(request.options)
    leftovers = check(request.folder, file_names(PRODUCTS, request, chosen))
    return Job(request, chosen, features_asked(request), leftovers)


def features_asked(request: Request) -> Extraction | None:
    """Which radiomics features, if any.

    Raises:
        EngineError: pyradiomics is missing, or the parameter file is not one.
    """
    if not request.radiomics:
        return None
    version()  # refuses if it is missing; a parameter file is read with what comes with it
    file = request.radiomics_parameters
    return extraction(read_parameters(file) if file else {})
