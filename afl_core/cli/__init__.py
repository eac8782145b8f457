"""The command line, `afl`: one module a group of commands."""
