"""``headway demo``: a CV becomes a profile although its worker is killed; or all five at once."""

from headway.cli.demo.run import run_demo

__all__ = ["run_demo"]
