"""python -m songsinh.cli"""

from songsinh.cli import main

__all__: list[str] = []

main()
