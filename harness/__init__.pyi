"""What type checkers see of the package: the five functions of the library, and the version."""

from harness.api import explain as explain
from harness.api import judge as judge
from harness.api import query as query
from harness.api import simulate as simulate
from harness.api import tune as tune

__version__: str
__all__: list[str]
