from .lines import stage_line as stage_line
from .ranks import is_main as is_main
from .runner import resume as resume
from .runner import run as run
from .runner import run_folder as run_folder
from .setup import Setup as Setup
from .setup import complete as complete
from .setup import prepare as prepare
