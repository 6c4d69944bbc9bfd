"""What is minimised: each objective is called as `objective(model, x, y)` and gives a scalar loss."""

from tulip_lite.objectives.adversarial import AdversarialTraining as AdversarialTraining
from tulip_lite.objectives.penalty import GradientPenalty as GradientPenalty
from tulip_lite.objectives.plain import CrossEntropy as CrossEntropy
from tulip_lite.objectives.plain import GaussianNoise as GaussianNoise
from tulip_lite.objectives.plain import Objective as Objective
