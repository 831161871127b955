"""Train an ensemble of bottleneck auto-encoders and hold the Fokker-Planck densities of its matrices against it."""

from fpsim.scenario.kinds.bottleneck.figures import bottleneck_figures
from fpsim.scenario.kinds.bottleneck.model import BottleneckScenario
from fpsim.scenario.kinds.bottleneck.stages import bottleneck_stages, check_bottleneck
from fpsim.scenario.kinds.bottleneck.tables import bottleneck_report, bottleneck_shortfalls, bottleneck_summary
from fpsim.scenario.shared.kind import Kind

__all__ = ["KIND", "BottleneckScenario"]

KIND = Kind(
    model=BottleneckScenario,
    check=check_bottleneck,
    stages=bottleneck_stages,
    summary=bottleneck_summary,
    figures=bottleneck_figures,
    report=bottleneck_report,
    shortfalls=bottleneck_shortfalls,
)
