"""Tables of what was measured, as Markdown: every number comes from a result file or a run, none is typed."""

from tulip_lite.tables import attacks as attacks
from tulip_lite.tables import bounds as bounds
from tulip_lite.tables.markdown import source as source
from tulip_lite.tables.training import best_steps as best_steps
from tulip_lite.tables.training import costs as costs
from tulip_lite.tables.training import networks as networks
