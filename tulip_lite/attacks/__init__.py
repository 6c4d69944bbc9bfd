"""Images near the clean ones on which a network errs: within a radius, or as near as can be found."""

from tulip_lite.attacks import distances as distances
from tulip_lite.attacks import logbarrier as logbarrier
from tulip_lite.attacks import masking as masking
from tulip_lite.attacks import suite as suite
from tulip_lite.attacks.adversarial import Adversarial as Adversarial
from tulip_lite.attacks.adversarial import attacking as attacking
from tulip_lite.attacks.adversarial import judged as judged
from tulip_lite.attacks.others import foolbox as foolbox
from tulip_lite.attacks.pgd import smallest_radius as smallest_radius
from tulip_lite.attacks.suite import smallest as smallest
from tulip_lite.attacks.watched import Watched as Watched
