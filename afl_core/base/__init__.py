"""What every other room stands on: files, paths, processes, compiled code, versions."""
