"""What this project measured, as files: networks, attacks on them, their bounds, certificates and benchmarks."""

from tulip_lite.results import benchmarks as benchmarks
from tulip_lite.results import certificates as certificates
from tulip_lite.results.attacks import Attacks as Attacks
from tulip_lite.results.attacks import load_attacks as load_attacks
from tulip_lite.results.bounds import Bounds as Bounds
from tulip_lite.results.bounds import load_bounds as load_bounds
from tulip_lite.results.networks import Result as Result
from tulip_lite.results.networks import load as load
from tulip_lite.storage.places import RESULTS as RESULTS
