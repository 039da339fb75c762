"""Operations as Python functions of values: a family a file."""
