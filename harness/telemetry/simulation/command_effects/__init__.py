"""What the commands of an atomic do on a host, as far as their text tells: a family of programs a file."""
