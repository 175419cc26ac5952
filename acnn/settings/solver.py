"""Settings of a regression: solver, prior, and the restraint at short range."""

from __future__ import annotations

from typing import Literal

from pydantic import Field, model_validator

from acnn.settings.base import Section
from acnn.solvers.ard import parse_threshold
from acnn.solvers.priors import parse_prior
from acnn.strict import shown

PANEL = "Regression"
SOLVER_OPTIONS = {  # setting: its solver, and the parameter there
    "slack": ("blr", "slack"),
    "tikhonov": ("qr", "regularization"),
    "rtol": ("rrqr", "rtol"),
    "damp": ("lsqr", "damp"),
    "atol": ("lsqr", "atol"),
    "ard_threshold": ("ard", "threshold"),
}


def parse_correlation(value: str | float) -> float | None:
    """Return the number from 0 to 1, or None for "auto"."""
    if value == "auto":
        return None
    try:
        rho = float(value)
    except ValueError:
        rho = -1.0
    if not 0 <= rho < 1:
        raise ValueError(f"element_correlation is auto or a number from 0 to below 1, not {str(value)[:60]!r}")
    return rho


class SolverSettings(Section):
    """How to determine the coefficients; see `acnn.solvers`."""

    solver: Literal["blr", "qr", "rrqr", "lsqr", "ard"] = Field(
        "blr",
        description="blr: finds the regularization by maximizing the evidence. ard: like blr, with one prior per "
        "function; drops functions that the data do not support, which gives smaller, faster models. qr: ridge "
        "regression with tikhonov. rrqr: drops directions below rtol. lsqr: iterative, with damp and atol.",
        json_schema_extra=shown(panel=PANEL),
    )
    slack: float | None = Field(
        None,
        ge=1,
        le=1000,
        description="blr: residual tolerance. Take the smoothest coefficients whose residual is this multiple of that "
        "of the most probable ones, such as 2: less accurate on the data, safer beyond them.",
        json_schema_extra=shown("1", PANEL),
    )
    tikhonov: float | None = Field(
        None,
        ge=0,
        le=1e12,
        description="qr: λ of ‖y − Ac‖² + λ‖Γc‖²; larger: smoother, less accurate on the data.",
        json_schema_extra=shown("0", PANEL),
    )
    rtol: float | None = Field(
        None,
        ge=0,
        lt=1,
        description="rrqr: drop directions that the data determine less than rtol times the best-determined one.",
        json_schema_extra=shown("1e-8", PANEL),
    )
    damp: float | None = Field(
        None,
        ge=0,
        le=1e6,
        description="lsqr: square root of the λ of tikhonov.",
        json_schema_extra=shown("1e-5", PANEL),
    )
    atol: float | None = Field(
        None,
        ge=0,
        lt=1,
        description="lsqr: relative accuracy at which it stops; larger: sooner, smoother.",
        json_schema_extra=shown("1e-8", PANEL),
    )
    ard_threshold: str | float | None = Field(
        None,
        description="ard: which functions to keep. bic: minimize the Bayesian information criterion; a number: those "
        "whose coefficients are at least this many standard deviations from zero; relevance: 2.",
        json_schema_extra=shown("bic", PANEL),
    )
    prior: str = Field(
        "algebraic:4",
        description="Smoothness prior, which penalizes functions of large n and l: algebraic:P, γ = Σ(n^P + w_L l^P); "
        "exponential:A, exp(A Σ(n + w_L l)); gaussian:S, exp(S Σ(n² + w_L l²)); identity.",
        json_schema_extra=shown(panel=PANEL),
    )
    element_correlation: str | float = Field(
        "auto",
        description="Prior correlation of functions that differ in elements only, so that alloys are predicted from "
        "their binaries: from 0, independent, to below 1, elements that are alike; auto: by the "
        "evidence; where the data lack combinations of elements, the largest that it allows.",
        json_schema_extra=shown(panel=PANEL),
    )
    repulsion: float = Field(
        0.3,
        ge=0,
        le=1000,
        description="Weight of the restraint to nuclear repulsion (ZBL) of atoms that are closer than in the data; 0: "
        "none.",
        json_schema_extra=shown(panel=PANEL),
    )

    @model_validator(mode="after")
    def _options_of_the_solver(self) -> SolverSettings:
        parse_prior(self.prior, 1.0)
        for option, (solver, _) in SOLVER_OPTIONS.items():
            if getattr(self, option) is not None and self.solver != solver:
                raise ValueError(f"{option} belongs to solver {solver}, but the solver is {self.solver}")
        parse_correlation(self.element_correlation)
        if self.ard_threshold is not None:
            parse_threshold(self.ard_threshold)
        return self
